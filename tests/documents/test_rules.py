"""What can be the id of a document, the name of an app, and a manifest."""

from __future__ import annotations

import pytest

from server.documents.rules import (
    MAX_AT_ONCE,
    ClientBuild,
    NewDocument,
    OperationType,
    Reading,
    build_named,
    build_problems,
    digest_in,
    digest_of,
    document_id,
    manifest_problems,
    size_problems,
)
from tests.factories.documents import as_new, the_id_of

A_HEX = "ab" * 32


def test_the_id_of_a_text_is_read_back_into_its_digest() -> None:
    assert digest_in(document_id(digest_of("query A { viewer { name } }"))) == digest_of("query A { viewer { name } }")


def test_the_digest_is_that_of_the_bytes_which_other_tools_hash() -> None:
    # From `printf 'query Ä { a }' | sha256sum`.
    assert the_id_of("query Ä { a }") == "sha256:1e3bf12a4aa8d4adb36070c9202a19681b9800e7bf663b1e992e9ceea3cddae4"


@pytest.mark.parametrize(
    ("_case", "text"),
    [
        ("nothing", ""),
        ("no prefix", A_HEX),
        ("the prefix alone", "sha256:"),
        ("too short", f"sha256:{A_HEX[:-1]}"),
        ("too long", f"sha256:{A_HEX}a"),
        ("capitals, which would be a second name of the same document", f"sha256:{A_HEX.upper()}"),
        ("the prefix in capitals", f"SHA256:{A_HEX}"),
        ("another algorithm", f"sha512:{A_HEX}"),
        ("a sign that bytes.fromhex passes over", f"sha256:{A_HEX[:-1]} "),
        ("digits of another script", "sha256:" + "٣" * 64),
    ],
)
def test_what_is_no_id_names_no_document(_case: str, text: str) -> None:
    assert digest_in(text) is None


@pytest.mark.parametrize(
    ("_case", "name", "is_one"),
    [
        ("a word", "web", True),
        ("a version", "1.4.0-rc.1+build.7", True),
        ("words", "Front desk (iOS)", True),
        ("as long as may be", "a" * 64, True),
        ("longer", "a" * 65, False),
        ("nothing", "", False),
        ("a space at the end, which headers lose", "web ", False),
        ("a line end", "web\n2", False),
        ("what no header carries", "wéb", False),
    ],
)
def test_a_name_of_an_app_or_version_is_what_a_header_carries(_case: str, name: str, is_one: bool) -> None:
    assert (build_problems(ClientBuild(name, "1")) == []) is is_one
    assert build_named(name, name) == (ClientBuild(name, name) if is_one else ClientBuild("", ""))


def test_a_client_that_says_nothing_of_itself_is_a_build_without_names() -> None:
    assert build_named(None, None) == ClientBuild("", "")


def test_all_that_is_wrong_with_a_manifest_is_told_in_its_order() -> None:
    wrong = Reading("", OperationType.QUERY, ("No such field.", "No such type."), None)
    manifest = [
        as_new("query A { a }"),
        NewDocument(the_id_of("query B { b }"), "query B { b } ", as_new("query B { b }").reading),
        NewDocument(the_id_of("query C { c }"), "query C { c }", wrong),
        NewDocument("C", "query C { c }", wrong),
    ]

    told = [(one.code, one.path) for one in manifest_problems(manifest)]

    assert told == [
        ("document.digest_mismatch", ("documents", "1", "documentId")),
        ("document.invalid", ("documents", "2", "text")),
        ("document.invalid", ("documents", "2", "text")),
        ("document.digest_mismatch", ("documents", "3", "documentId")),
        ("document.invalid", ("documents", "3", "text")),
        ("document.invalid", ("documents", "3", "text")),
    ]


@pytest.mark.parametrize(
    ("count", "is_refused"), [(0, True), (1, False), (MAX_AT_ONCE, False), (MAX_AT_ONCE + 1, True)]
)
def test_a_manifest_has_one_document_and_at_most_as_many_as_said(count: int, is_refused: bool) -> None:
    assert bool(size_problems(count, "documents")) is is_refused
