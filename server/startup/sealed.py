"""Which columns hold sealed values, as the models declare them (`info=sealed_to(…)`)."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter

from sqlalchemy import MetaData

from server.kit.db import Wall


@dataclass(frozen=True, slots=True)
class SealedKind:
    """One sealed column. `identity` is what its values are sealed to, with the columns `names` in braces."""

    table: str
    column: str
    identity: str
    names: tuple[str, ...]
    is_of_organization: bool


def sealed_kinds(metadata: MetaData) -> list[SealedKind]:
    """Return every sealed column there is, in the order of the tables' names."""
    return [
        SealedKind(
            table.name,
            column.name,
            str(column.info["sealed_to"]),
            tuple(name for _, name, _, _ in Formatter().parse(str(column.info["sealed_to"])) if name),
            Wall(table.info["wall"]) is not Wall.SYSTEM,
        )
        for _, table in sorted(metadata.tables.items())
        for column in table.columns
        if "sealed_to" in column.info
    ]
