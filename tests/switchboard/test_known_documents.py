"""`switchboard documents` as a pipeline runs it: a process of its own against the API over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from server.config import Settings
from server.kit.db import Database
from server.schema.contract import TARGET
from server.tenants.rules import Role
from switchboard import documents
from tests.api import Api, serving
from tests.factories.documents import a_text, the_id_of
from tests.factories.tenants import APerson, a_person, an_agency

OF_WEB = ("--app", "web", "--version", "1.0.0")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    status: int | None
    out: str
    err: str


@pytest.fixture
async def admin(database: Database, settings: Settings) -> APerson:
    """Who may manage the documents of an agency."""
    agency = await an_agency(database)
    return await a_person(database, settings, agency, agency.root_id, Role.ADMIN)


async def _run(api: str, token: str | None, *arguments: str) -> Ended:
    environment = {key: value for key, value in os.environ.items() if key != "SWITCHBOARD_TOKEN"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "switchboard.cli",
        "documents",
        *arguments,
        env=environment | {"SWITCHBOARD_API": api} | ({} if token is None else {"SWITCHBOARD_TOKEN": token}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ended(process.returncode, out.decode(), err.decode())


def _manifest(folder: Path, *texts: str) -> str:
    path = folder / "persisted-documents.json"
    path.write_text(json.dumps({the_id_of(one): one for one in texts}))
    return str(path)


async def test_a_pipeline_registers_a_manifest_shows_it_and_withdraws_a_version(
    api: Api, admin: APerson, tmp_path: Path
) -> None:
    many = _manifest(tmp_path, *(a_text(f"Q{number}") for number in range(2 * documents.MAX_AT_ONCE + 10)))

    first = await _run(api.url, admin.token, "register", many, *OF_WEB)
    again = await _run(api.url, admin.token, "register", many, *OF_WEB)
    listed = await _run(api.url, admin.token, "list", "--app", "web")
    one_id = listed.out.split()[0]
    by_id = await _run(api.url, admin.token, "withdraw", one_id)
    by_build = await _run(api.url, admin.token, "withdraw", *OF_WEB)
    left = await _run(api.url, admin.token, "list")
    gone = await _run(api.url, admin.token, "list", "--withdrawn")

    assert first == Ended(0, "210 documents of web 1.0.0 are registered, 210 of them new.\n", "")
    assert again == Ended(0, "210 documents of web 1.0.0 are registered, 0 of them new.\n", "")
    assert len(listed.out.splitlines()) == 210
    assert listed.out.splitlines()[-1].endswith("web 1.0.0  query Q0  served, 0 uses in 30 days")
    assert by_id == Ended(0, "1 documents are withdrawn and end within seconds.\n", "")
    assert by_build == Ended(0, "209 documents are withdrawn and end within seconds.\n", "")
    assert (left.status, left.out, len(gone.out.splitlines())) == (0, "", 210)


async def test_the_token_may_be_in_a_file_but_is_never_an_argument(api: Api, admin: APerson, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{admin.token}\n")
    manifest = _manifest(tmp_path, a_text("A"))

    from_file = await _run(api.url, None, "register", manifest, *OF_WEB, "--token-file", str(token))
    without = await _run(api.url, None, "register", manifest, *OF_WEB)
    as_argument = await _run(api.url, None, "register", manifest, *OF_WEB, "--token", admin.token)

    assert (from_file.status, from_file.err) == (0, "")
    assert without == Ended(2, "", "There is no token: set SWITCHBOARD_TOKEN, or give --token-file.\n")
    assert as_argument.status == 2
    assert admin.token not in as_argument.out + as_argument.err.replace("\n", "")


async def test_a_refusal_names_each_document_by_its_own_key_and_ends_with_1(
    api: Api, admin: APerson, tmp_path: Path
) -> None:
    right, wrong = a_text("Right"), "query Wrong { nothing }"
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({the_id_of(right): right, the_id_of(wrong): wrong, "md5:1": a_text("Other")}))

    refused = await _run(api.url, admin.token, "register", str(path), *OF_WEB)

    assert (refused.status, refused.out) == (1, "")
    (invalid, mismatch) = refused.err.splitlines()
    assert invalid.startswith(f"{the_id_of(wrong)[:20]}… text: Cannot query field 'nothing'")
    assert invalid.endswith("[DOCUMENT_INVALID]")
    assert mismatch.startswith("md5:1 documentId: This documentId is not the SHA-256")
    assert f"documentId {the_id_of(a_text('Other'))}" in mismatch


async def test_a_caller_without_the_permission_or_a_valid_token_is_told_so(
    api: Api, database: Database, settings: Settings, tmp_path: Path
) -> None:
    agency = await an_agency(database)
    manager = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    manifest = _manifest(tmp_path, a_text("A"))

    not_allowed = await _run(api.url, manager.token, "register", manifest, *OF_WEB)
    unknown = await _run(api.url, "swb_pat_nothing", "list")

    assert (not_allowed.status, unknown.status) == (1, 1)
    assert "document:manage" in not_allowed.err
    assert "UNAUTHENTICATED" in unknown.err


@pytest.mark.parametrize(
    ("_case", "content", "complaint"),
    [
        ("no file", None, "cannot be read: No such file"),
        ("not JSON", b"{", "is not JSON"),
        ("not UTF-8", b'{"a": "\xff"}', "is not JSON in UTF-8"),
        ("a list", b"[]", "is not a manifest"),
        ("nothing in it", b"{}", "is not a manifest"),
        ("other things than texts", b'{"sha256:1": {"text": "query A { a }"}}', "is not a manifest"),
        ("brackets without end", b"[" * 200_000, "is not JSON"),
    ],
)
def test_a_file_that_is_no_manifest_is_said_plainly(
    _case: str, content: bytes | None, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(documents.Unusable, match=complaint):
        documents.read_manifest(path)


@pytest.mark.parametrize("arguments", [(), ("doc_1", *OF_WEB), ("--app", "web"), ("--version", "1")])
async def test_a_withdrawal_names_ids_or_a_build(arguments: tuple[str, ...]) -> None:
    ended = await _run("http://127.0.0.1:1", "token", "withdraw", *arguments)

    assert ended == Ended(2, "", "Give either ids of documents, or --app and --version.\n")


@pytest.mark.parametrize(
    "api", ["http://switchboard.example.test", "http://10.0.0.1", "ftp://127.0.0.1", "switchboard"]
)
def test_a_token_is_not_sent_in_the_clear_nor_to_what_is_no_service(api: str) -> None:
    with pytest.raises(documents.Unusable):
        documents.Target(api, "token")


async def test_what_is_no_such_service_or_asks_to_wait_is_said_with_what_to_do() -> None:
    async def page(_request: object) -> Response:
        return PlainTextResponse("Not here", 404)

    async def busy(_request: object) -> Response:
        told = {"message": "Too many requests.", "extensions": {"code": "RATE_LIMITED"}}
        return JSONResponse({"errors": [told]}, 429, {"retry-after": "7"})

    async with (
        serving(Starlette(routes=[Route("/graphql", page, methods=["POST"])])) as elsewhere,
        serving(Starlette(routes=[Route("/graphql", busy, methods=["POST"])])) as crowded,
    ):
        no_service, too_many = await _run(elsewhere, "token", "list"), await _run(crowded, "token", "list")
    nobody = await _run("http://127.0.0.1:1", "token", "list")

    assert no_service == Ended(2, "", f"{elsewhere} answered 404, and no JSON: it is not this service.\n")
    assert too_many == Ended(1, "", "Too many requests. [RATE_LIMITED]\nTry again in 7 seconds.\n")
    assert (nobody.status, nobody.err.startswith("http://127.0.0.1:1 cannot be reached: ")) == (2, True)


def test_the_command_sends_shipped_documents_so_that_it_works_in_known_mode() -> None:
    shipped = json.loads((TARGET / "persisted-documents.json").read_text())

    for one in (documents.REGISTER, documents.WITHDRAW, documents.LIST):
        assert shipped[f"sha256:{hashlib.sha256(one.encode()).hexdigest()}"] == one


def test_a_long_manifest_is_sent_in_parts_that_the_service_takes(tmp_path: Path) -> None:
    texts = [f"query Q{number} {{ viewer {{ name }} }} #{'é' * 14_000}" for number in range(60)]

    parts = list(documents.parts_of({the_id_of(one): one for one in texts}))

    assert [text for part in parts for _, text in part] == texts
    assert len(parts) > 1
    assert all(len(httpx.Request("POST", "http://h", json=part).content) < 900_000 for part in parts)
