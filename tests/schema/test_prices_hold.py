"""Prices that cannot be got round: fragments that nothing spreads, sizes written another way, documents read twice."""

from __future__ import annotations

import pytest

from bench.hostile_documents import UNUSED
from server.schema.errors import TooComplex
from server.schema.limits import Documents
from server.schema.root import build


@pytest.fixture(scope="module")
def documents() -> Documents:
    """The documents of a fresh schema."""
    return build(introspection=False).documents


@pytest.mark.parametrize("name", UNUSED)
def test_a_fragment_that_nothing_spreads_is_counted_before_it_is_validated(documents: Documents, name: str) -> None:
    prepared = documents.read(UNUSED[name] + " {viewer{name}}")

    with pytest.raises(TooComplex):
        documents.price(prepared, prepared.chosen(None))


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("query($n: Int) {units(first: $n) {nodes {id name}}}", {"n": 100.0}),
        ("{units(first: null, last: 100) {nodes {id name}}}", {}),
        ("query($n: Int, $l: Int) {units(first: $n, last: $l) {nodes {id name}}}", {"n": None, "l": 100}),
        ("query($n: Int, $l: Int) {units(last: $l, first: $n) {nodes {id name}}}", {"l": 100}),
    ],
)
def test_a_page_has_one_price_however_its_size_is_written(
    documents: Documents, text: str, variables: dict[str, object]
) -> None:
    plain = documents.read("{units(first: 100) {nodes {id name}}}")
    other = documents.read(text)

    found = documents.price(other, other.chosen(None)).points(variables)

    assert found == documents.price(plain, plain.chosen(None)).points({})


def test_a_document_that_two_requests_read_at_once_is_counted_once(documents: Documents) -> None:
    text = "# " + "x" * 10_000 + "\n{viewer{name}}"
    both = [documents.read(text), documents.read(text)]

    for one in both:
        documents.validated(one)

    assert documents._characters == sum(len(one) for one in documents._known)
