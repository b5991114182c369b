"""Registering, withdrawing and listing known documents over the public API, for the pipelines of front-end teams.

Speaks GraphQL as any client does, with a bearer token of somebody who holds document:manage on the whole tree. The texts
below are those of frontend-contract/operations, letter by letter, because a service in known mode runs no others.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

MAX_AT_ONCE = 100
"""Fewer than the service takes: it reads each text, and answers within its deadline also when it is busy."""
MAX_BYTES_AT_ONCE = 500_000
"""Half of what the service takes in one request; what is escaped in JSON grows."""
DONE, REFUSED, UNUSABLE = 0, 1, 2
_TIMEOUT_S = 60.0
_PAGE = 100
_ERRORS = "userErrors { __typename code message path ... on DetailedError { details { name values } } }"

REGISTER = (
    "# In CI, after code generation: register what this build of your app sends. Sending it again changes nothing.\n"
    "mutation DocumentsRegister($input: DocumentsRegisterInput!) {\n"
    f"  documentsRegister(input: $input) {{ newCount documents {{ id documentId operationName price }} {_ERRORS} }}\n"
    "}\n"
)
WITHDRAW = (
    "mutation DocumentsWithdraw($input: DocumentsWithdrawInput!) {\n"
    "  documentsWithdraw(input: $input) { withdrawnCount documents { id documentId operationName app version withdrawnAt } "
    f"{_ERRORS} }}\n"
    "}\n"
)
LIST = (
    "query Documents($first: Int, $after: String, $filter: DocumentFilter) {\n"
    "  documents(first: $first, after: $after, filter: $filter) {\n"
    "    nodes { id documentId operationName operationType app version createdAt withdrawnAt isValid problems price "
    "registeredBy { id name } uses { app version uses lastUsedAt } }\n"
    "    pageInfo { hasNextPage endCursor }\n"
    "  }\n"
    "}\n"
)

Json = Mapping[str, object]


class Unusable(Exception):
    """The command cannot be carried out as it was given, or the service cannot be spoken to; nothing was changed by it."""


class Refused(Exception):
    """The service refused; each line says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """The service and the token that is shown to it."""

    api: str
    token: str

    def __post_init__(self) -> None:
        url = httpx.URL(self.api)
        if url.scheme not in {"http", "https"} or not url.host:
            raise Unusable(f"{self.api} is not an address of a service: give https://host.")
        if url.scheme == "http" and not _is_this_machine(url.host):
            raise Unusable(f"{self.api} would carry the token in the clear. Give an address that begins with https://.")
        if not self.token.isascii() or not self.token.isprintable() or not self.token.strip():
            raise Unusable("The token is empty or has characters that no token has. Give it in SWITCHBOARD_TOKEN.")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: Path) -> str:
    """Read a token from a file; raise Unusable if that cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read as a token: {error}.") from error


def read_manifest(path: Path) -> dict[str, str]:
    """Read a persisted-documents.json: an object of texts by `sha256:…`. Raises Unusable for anything else."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}.") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(f"{path} is not JSON in UTF-8.") from error
    if not isinstance(found, dict) or not found or not all(isinstance(one, str) for one in found.values()):
        raise Unusable(f'{path} is not a manifest: it must be one object like {{"sha256:…": "query …"}}.')
    return found


def register(target: Target, path: Path, app: str, version: str) -> str:
    """Register a manifest as one version of an app, in parts if it is long; return a line that says what was done."""
    manifest, new, done = read_manifest(path), 0, 0
    for part in parts_of(manifest):
        documents = [{"documentId": key, "text": text} for key, text in part]
        try:
            payload = _change(
                target, "documentsRegister", REGISTER, {"app": app, "version": version, "documents": documents}
            )
        except Refused as refusal:
            names = [f"{key[:20]}…" if len(key) > 20 else key for key, _ in part]
            before = (
                f"\n{done} of {len(manifest)} were registered before that; register again after mending."
                if done
                else ""
            )
            raise Refused(f"{_with_names(str(refusal), names)}{before}") from refusal
        new, done = new + int(str(payload["newCount"])), done + len(part)
    return f"{done} documents of {app} {version} are registered, {new} of them new."


def _with_names(refusal: str, names: Sequence[str]) -> str:
    """Put the manifest's own key behind each place in it, so that nobody has to count."""
    for place, name in reversed(list(enumerate(names))):
        refusal = refusal.replace(f"documents.{place}.", f"{name} ")
    return refusal


def parts_of(manifest: Mapping[str, str]) -> Iterator[list[tuple[str, str]]]:
    part: list[tuple[str, str]] = []
    size = 0
    for key, text in manifest.items():
        length = len(json.dumps([key, text]))
        if part and (len(part) == MAX_AT_ONCE or size + length > MAX_BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append((key, text))
        size += length
    yield part


def withdraw(target: Target, ids: Sequence[str], app: str | None, version: str | None) -> str:
    """Withdraw documents by id, or all of one version of an app; return a line that says what was done."""
    if bool(ids) == (app is not None or version is not None) or (app is None) != (version is None):
        raise Unusable("Give either ids of documents, or --app and --version.")
    given: Json = {"ids": list(ids)} if ids else {"app": app, "version": version}
    payload = _change(target, "documentsWithdraw", WITHDRAW, given)
    return f"{payload['withdrawnCount']} documents are withdrawn and end within seconds."


def lines_of(
    target: Target, app: str | None, version: str | None, *, only_invalid: bool, with_withdrawn: bool
) -> Iterator[str]:
    """Yield a line for each registered document, the newest first; what was withdrawn only if that is asked for."""
    wanted: dict[str, object] = {"app": app, "version": version}
    wanted |= {"isValid": False} if only_invalid else {}
    wanted |= {} if with_withdrawn else {"isWithdrawn": False}
    after: object = None
    while True:
        page = _object(_ask(target, LIST, {"first": _PAGE, "after": after, "filter": wanted}).get("documents"))
        nodes, info = page.get("nodes"), _object(page.get("pageInfo"))
        yield from (_line(_object(one)) for one in (nodes if isinstance(nodes, list) else []))
        if not info.get("hasNextPage"):
            return
        after = info.get("endCursor")


def _line(one: Json) -> str:
    state = "withdrawn" if one["withdrawnAt"] else "served" if one["isValid"] else "not valid"
    uses = one["uses"]
    count = sum(int(str(_object(use)["uses"])) for use in uses) if isinstance(uses, list) else 0
    problems = one["problems"]
    why = "".join(f"\n    {problem}" for problem in problems) if isinstance(problems, list) else ""
    name = f"{str(one['operationType']).lower()} {one['operationName']}"
    return f"{one['id']}  {one['app']} {one['version']}  {name}  {state}, {count} uses in 30 days{why}"


def _change(target: Target, field: str, document: str, given: Json) -> Json:
    payload = _object(_ask(target, document, {"input": given}).get(field))
    errors = payload.get("userErrors")
    if errors:
        raise Refused("\n".join(_told(_object(one)) for one in errors) if isinstance(errors, list) else str(errors))
    return payload


def _told(error: Json) -> str:
    path, details = error.get("path"), error.get("details")
    place = f"{'.'.join(str(one) for one in path)}: " if isinstance(path, list) and path else ""
    more = [
        f"{one['name']} {', '.join(str(value) for value in values)}"
        for one in (details if isinstance(details, list) else [])
        if isinstance(values := one.get("values"), list)
    ]
    told_more = f" ({'; '.join(more)})" if more else ""
    return f"{place}{error.get('message')}{told_more} [{error.get('code')}]"


def _ask(target: Target, document: str, variables: Json) -> Json:
    headers = {"authorization": f"Bearer {target.token.strip()}", "accept": "application/graphql-response+json"}
    body = {"query": document, "variables": variables}
    try:
        answer = httpx.post(f"{target.api.rstrip('/')}/graphql", json=body, headers=headers, timeout=_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise Unusable(f"{target.api} cannot be reached: {error or type(error).__name__}.") from error
    try:
        found = _object(answer.json())
    except ValueError as error:
        raise Unusable(f"{target.api} answered {answer.status_code}, and no JSON: it is not this service.") from error
    errors = found.get("errors")
    if errors or "data" not in found:
        raise Refused(_told_by(answer, errors))
    return _object(found["data"])


def _told_by(answer: httpx.Response, errors: object) -> str:
    lines = [
        f"{one.get('message')} [{_object(one.get('extensions')).get('code')}]"
        for one in (errors if isinstance(errors, list) else [])
        if isinstance(one, dict)
    ]
    wait = answer.headers.get("retry-after")
    return "\n".join(
        [*(lines or [f"status {answer.status_code}"]), *([f"Try again in {wait} seconds."] if wait else [])]
    )


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def told(problem: Unusable | Refused) -> int:
    """Say on standard error why nothing came of a command, and return its exit code: 1 refused, 2 not usable."""
    sys.stderr.write(f"{problem}\n")
    return REFUSED if isinstance(problem, Refused) else UNUSABLE
