"""What a further platform brings along: its wire below `/<name>`, its control calls below `/control/<name>`, its phones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.routing import BaseRoute

from standin.jsonish import Json


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation that a person can look at from the customer's side."""

    account: str
    person: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One message on a phone. `is_mine` is the customer's."""

    is_mine: bool
    text: str
    at_ms: int


class Plugin(Protocol):
    """One platform beside Messenger."""

    @property
    def name(self) -> str:
        """The path segment: x, linkedin, tiktok."""
        ...

    @property
    def pending(self) -> int:
        """How many webhooks and receipts wait or are on their way."""
        ...

    def routes(self) -> Sequence[BaseRoute]:
        """The platform's own calls, with paths below `/<name>`."""
        ...

    def control_routes(self) -> Sequence[BaseRoute]:
        """Calls of tests and the demo, with paths below `/control/<name>`."""
        ...

    def threads(self) -> list[Thread]:
        """All conversations, for the list of phones."""
        ...

    def lines(self, account: str, person: str) -> list[Line] | None:
        """What the person's phone shows; None for an account that is not there."""
        ...

    def write(self, account: str, person: str, text: str) -> None:
        """Write to the account as that person."""
        ...

    def reset(self, keep_app: bool) -> None:
        """Forget everything; without `keep_app` the configuration of the start is back too."""
        ...

    def dumped(self) -> Json:
        """What a later process must know, as JSON."""
        ...

    def load(self, stored: Json) -> None:
        """Take over what `dumped` gave; `BadBody` leaves everything as it is."""
        ...

    async def stop(self) -> None:
        """Close connections."""
        ...
