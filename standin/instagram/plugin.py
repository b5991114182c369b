"""Instagram as a plugin of the stand-in: the hosts of the direct login, and the accounts behind Facebook pages."""

from collections import deque
from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from standin.instagram.control import Control
from standin.instagram.phone import Phone
from standin.instagram.posting import Hooks
from standin.instagram.state import Choices, Kept, Studio
from standin.instagram.wire import answer
from standin.jsonish import Json, as_dict
from standin.plugin import Line, Thread
from standin.runtime import Runtime
from standin.stored import built


class InstagramPlugin:
    """One Instagram."""

    name = "instagram"

    def __init__(self, run: Runtime) -> None:
        self.studio = Studio(run)
        self.hooks = Hooks(self.studio)
        self._phone = Phone(self.studio, self.hooks)
        self._control = Control(self.studio, self.hooks, self._phone)

    @property
    def pending(self) -> int:
        """How many webhooks and receipts wait or are on their way."""
        return self.hooks.pending

    def routes(self) -> Sequence[BaseRoute]:
        """All calls of the direct login."""

        async def serve(request: Request) -> Response:
            return await answer(request, self.studio, self.hooks)

        return [Route("/instagram/{path:path}", serve, methods=["GET", "POST", "DELETE"])]

    def control_routes(self) -> Sequence[BaseRoute]:
        """Calls of tests and the demo."""
        return self._control.routes()

    def threads(self) -> list[Thread]:
        """All conversations."""
        return [
            Thread(account.id, person.id, f"{person.username} writes to {account.username}")
            for account in self.studio.accounts.values()
            for person in account.people.values()
        ]

    def lines(self, account: str, person: str) -> list[Line] | None:
        """What the person's phone shows; None for an account that is not there."""
        found = self.studio.accounts.get(account)
        if found is None:
            return None
        known = found.people.get(person)
        messages = known.messages if known is not None else []
        return [
            Line(
                is_mine=not message.from_account,
                text="(unsent)" if message.is_deleted else _shown(message.text, len(message.attachments)),
                at_ms=message.created_ms,
            )
            for message in messages
        ]

    def write(self, account: str, person: str, text: str) -> None:
        """Write to the account as that person."""
        self._phone.do(self.studio.account_named(account), person, "message", {"text": text}, silent=False)

    def reset(self, keep_app: bool) -> None:
        """Forget everything; without `keep_app` the choices of the start are back too."""
        self.hooks.forget()
        self.studio.forget()
        if not keep_app:
            self.studio.choices = Choices()

    def dumped(self) -> Json:
        """What a later process must know."""
        found = as_dict(orjson.loads(orjson.dumps(self.studio.kept(), _plain)))
        return found or {}

    def load(self, stored: Json) -> None:
        """Take over what `dumped` gave; `BadBody` leaves everything as it is."""
        if stored:
            self.studio.take(built(Kept, stored))

    async def stop(self) -> None:
        """Close connections."""
        await self.hooks.stop()


def _shown(text: str | None, attachments: int) -> str:
    extras = f"[{attachments} attachment(s)]" if attachments else ""
    return "\n".join(part for part in (text, extras) if part)


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, deque):
        return None
    raise TypeError(type(value).__name__)
