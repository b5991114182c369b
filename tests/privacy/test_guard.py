"""Nobody can add a table whose rows are neither exported and erased nor said to stay."""

from __future__ import annotations

from collections import Counter

from server.models import metadata
from server.privacy import parts
from server.tenants.leaving import How

OF_A_UNIT = {"unit_id", "page_id", "conversation_id", "location_id", "group_id"}
OF_A_CONTACT = {"contact_id", "conversation_id", "recipient_external_id"}
NOT_OF_ONE_PERSON = {
    "legal_access": "proof of who read what; holds ids, and says so in its declaration",
    "legal_hold": "an order about a contact that is held cannot be erased with it",
}


def test_every_table_is_declared_exactly_once() -> None:
    declared = Counter(one.table.name for one in parts.PARTS)

    assert set(metadata.tables) - declared.keys() == set()
    assert [name for name, times in declared.items() if times > 1] == []


def test_a_table_that_names_a_unit_or_something_of_one_says_how_its_rows_are_found_or_why_they_stay() -> None:
    silent = [
        one.table.name
        for one in parts.PARTS
        if OF_A_UNIT & {column.name for column in one.table.columns} and one.of_units is None and not one.note
    ]

    assert silent == []


def test_what_stays_or_goes_apart_says_why_or_how_and_the_rest_says_which_rows() -> None:
    wordless = [one.table.name for one in parts.PARTS if one.how in {How.STAYS, How.APART} and not one.note]
    blind = [one.table.name for one in parts.PARTS if one.how not in {How.STAYS, How.APART} and one.of_units is None]

    assert (wordless, blind) == ([], [])


def test_a_table_that_names_a_contact_is_known_to_the_erasure_of_one() -> None:
    silent = {
        one.table.name
        for one in parts.PARTS
        if OF_A_CONTACT & {column.name for column in one.table.columns} and one.of_contact is None
    }

    assert silent == NOT_OF_ONE_PERSON.keys()


def test_rows_go_before_what_they_refer_to() -> None:
    order = [one.table.name for one in (*parts.ERASED, *parts.TREE)]
    wrong = [
        f"{name} goes after {key.column.table.name}"
        for place, name in enumerate(order)
        for key in metadata.tables[name].foreign_keys
        if key.column.table.name in order[:place]
    ]

    assert wrong == []
