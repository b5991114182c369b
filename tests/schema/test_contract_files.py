"""frontend-contract/ is what the code does, and what it promises to those who know nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_client_schema, build_schema, find_schema_changes

from server.schema import contract
from server.schema.contract import TARGET, OperationRefused, generate, read_operations
from server.schema.errors import ErrorCode


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """What the code would write now."""
    return generate()


def test_every_generated_file_is_what_the_code_writes(files: dict[str, bytes]) -> None:
    stale = [name for name, text in files.items() if (TARGET / name).read_bytes() != text]

    assert stale == [], "run: python -m server.schema.contract"


def test_the_check_tells_a_file_that_was_changed_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "frontend-contract"
    shutil.copytree(TARGET, folder)
    (folder / "limits.json").write_text("{}\n")
    monkeypatch.setattr(contract, "TARGET", folder)

    status = contract.main(["--check"])

    assert (status, "limits.json" in capsys.readouterr().err) == (1, True)
    assert (folder / "limits.json").read_text() == "{}\n"


def test_a_document_id_is_the_hash_of_the_files_bytes() -> None:
    published = json.loads((TARGET / "persisted-documents.json").read_text())

    for path in (TARGET / "operations").glob("*.graphql"):
        assert published[f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"] == path.read_text()


def test_the_introspection_describes_the_same_schema_as_the_sdl(files: dict[str, bytes]) -> None:
    described = build_client_schema(json.loads(files["introspection.json"]))
    printed = build_schema(files["schema.graphql"].decode())

    assert find_schema_changes(printed, described) == []


def test_every_root_field_has_a_reference_operation(files: dict[str, bytes]) -> None:
    schema = build_schema(files["schema.graphql"].decode())
    asked = {
        selection.name.value
        for operation in read_operations(TARGET / "operations")
        for selection in operation.definition.selection_set.selections
        if hasattr(selection, "name")
    }

    assert _root_fields(schema) - asked == set()


def _root_fields(schema: GraphQLSchema) -> set[str]:
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    return {name for root in roots if root is not None for name in root.fields}


@pytest.mark.parametrize(
    ("_case", "text", "complaint"),
    [
        ("a field that is not there", "query A { nothing }", "nothing"),
        ("two operations", "query A { viewer { name } } query B { viewer { name } }", "one named operation"),
        ("no name", "{ viewer { name } }", "one named operation"),
        ("a name that is taken", "query Viewer { viewer { name } }", "Viewer"),
        ("not GraphQL", "query A {", "Syntax"),
        (
            "a send without a key",
            "mutation A($input: ConversationReplyInput!) { conversationReply(input: $input) { message { id } } }",
            "needs @idempotent",
        ),
    ],
)
def test_a_document_that_cannot_be_sent_as_it_stands_is_not_published(
    _case: str, text: str, complaint: str, tmp_path: Path
) -> None:
    shutil.copytree(TARGET / "operations", tmp_path / "operations")
    (tmp_path / "operations" / "zz-new.graphql").write_text(text)

    with pytest.raises(OperationRefused, match=complaint):
        generate(tmp_path)


def test_every_code_says_what_it_means_and_what_helps(files: dict[str, bytes]) -> None:
    told = json.loads(files["errors.json"])
    schema = build_schema(files["schema.graphql"].decode())

    assert set(told["topLevel"]) == {code.value for code in ErrorCode}
    assert set(told["userErrors"]) == set(getattr(schema.type_map["UserErrorCode"], "values", {}))
    for one in [*told["topLevel"].values(), *told["userErrors"].values()]:
        assert one["meaning"]
        assert one["remedy"] in told["remedies"]


def test_every_change_of_the_log_is_told_to_people_and_to_machines() -> None:
    folder = TARGET / "changelog"

    assert {path.stem for path in folder.glob("*.md")} == {path.stem for path in folder.glob("*.json")}
    for path in folder.glob("*.json"):
        told = json.loads(path.read_text())
        assert path.name.startswith(told["date"])
        assert told.keys() >= {"title", "breaking", "dangerous", "safe", "actionRequired"}
