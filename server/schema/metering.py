"""What an operation really costs while it runs, and its end when it passes its deadline or its size.

Completing fields is Python that no `await` interrupts, so the clock is read there too, every few hundred fields.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from server.kit.clock import monotonic_s
from server.schema.cost import STATEMENT
from server.schema.errors import AnswerTooLarge, DeadlinePassed, TooComplex
from server.schema.pricing import BASE

_LOOK_EVERY = 256
_FIELD_BYTES = 8
"""Quotes, colon, comma and the like of one field, beside its name and value."""
_current: ContextVar[Meter | None] = ContextVar("meter", default=None)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one operation may take."""

    seconds: float
    bytes: int
    fields: int
    """However few items the price reckoned with, so many fields are resolved and not one more."""


class Meter:
    """Counts fields, statements and bytes of one operation; `end` is called once with the reason to stop."""

    __slots__ = ("_bounds", "_end", "_ends_at", "bytes", "fields", "statements")

    def __init__(self, bounds: Bounds, end: Callable[[BaseException], None]) -> None:
        self._bounds = bounds
        self._end = end
        self._ends_at = monotonic_s() + bounds.seconds
        self.fields = 0
        self.statements = 0
        self.bytes = 0

    @property
    def points(self) -> int:
        """Return what the operation cost so far, in the points of its price."""
        return BASE + self.fields + self.statements * STATEMENT

    def field(self, name: str) -> None:
        """Count a field that is resolved now. Ends the operation beyond its deadline."""
        self.fields += 1
        self.bytes += len(name) + _FIELD_BYTES
        if self.fields > self._bounds.fields:
            self._stop(
                TooComplex(f"The answer would have more than {self._bounds.fields} fields. Ask for smaller pages.")
            )
        if self.fields % _LOOK_EVERY == 0 and monotonic_s() > self._ends_at:
            self._stop(DeadlinePassed(self._bounds.seconds))

    def value(self, value: object) -> None:
        """Count a value of the answer. Ends the operation beyond its size."""
        self.bytes += len(value) if isinstance(value, str) else _FIELD_BYTES
        if self.bytes > self._bounds.bytes:
            self._stop(AnswerTooLarge(self._bounds.bytes))

    def _stop(self, reason: BaseException) -> None:
        self._end(reason)
        raise asyncio.CancelledError


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Count the statements of the enclosed work, and of the tasks that it starts, with this meter."""
    mark = _current.set(meter)
    try:
        yield
    finally:
        _current.reset(mark)


@event.listens_for(Engine, "before_cursor_execute")
def _note_statement(*_: object) -> None:
    meter = _current.get()
    if meter is not None:
        meter.statements += 1


class MeteredExecutor(StrawberryGraphQLCoreExecutionContext):
    """Tells the meter of the operation's context what is resolved and answered."""

    def build_resolve_info(self, field_def: Any, field_nodes: Any, parent_type: Any, path: Any) -> Any:
        """Count the field."""
        meter: Meter | None = self.context_value.meter
        if meter is not None and not parent_type.name.startswith("__"):  # the schema itself has one price
            meter.field(path.key)
        return super().build_resolve_info(field_def, field_nodes, parent_type, path)

    def complete_leaf_value(self, return_type: Any, result: Any) -> Any:  # type: ignore[override]
        """Count the value."""
        value = super().complete_leaf_value(return_type, result)
        meter: Meter | None = self.context_value.meter
        if meter is not None:
            meter.value(value)
        return value
