"""What a platform brings along so that the one contract suite runs over it: its connector, and its side of the wire.

A rig plays the stand-in through its control API; the tests of the suite know no platform. Each platform has one module here
with a class that fulfils `Rig`, registered in `rigs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.platforms.port import (
    AccountCredentials,
    Channel,
    Connector,
    FailureReason,
    Login,
    OutgoingMessage,
    PageCredentials,
)
from tests.standin_server import Platform


@dataclass(frozen=True, slots=True)
class Refused:
    """One documented error: a rule of the fault plan that makes a send fail so, and what the connector must say."""

    name: str
    rule: Mapping[str, object]
    reason: FailureReason
    is_retryable: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """One webhook as the platform sent it."""

    headers: Mapping[str, str]
    body: bytes


class Rig(Protocol):
    """One platform on both sides of the wire.

    Two things a rig may say besides, and most need not: `named(what, number)`, how the platform writes an id of an account,
    a person or a message (`what`) where it is no plain number; and `lists_prove = False`, where its lists are no proof that
    something was not said.
    """

    channel: Channel
    login: Login

    def connector(self, standin_url: str) -> Connector:
        """A connector whose platform is the stand-in at this address; the test closes it."""
        ...

    async def an_account(self, platform: Platform, external_id: str, *, callback: str | None = None) -> PageCredentials:
        """Let an account exist with a working token, subscribed, posting its webhooks to `callback`."""
        ...

    async def a_person(self, platform: Platform, page: PageCredentials, person: str) -> None:
        """Let a person exist to whom the account may write now (silently: no webhook)."""
        ...

    async def says(self, platform: Platform, page: PageCredentials, person: str, text: str) -> str:
        """The person writes (or comments, where there are no messages); the webhook is posted. Return the platform's id."""
        ...

    def message(self, page: PageCredentials, person: str, text: str) -> OutgoingMessage:
        """The message (or public reply) that answers this person."""
        ...

    async def walk_dialogue(self, platform: Platform, authorize_url: str, *, refuse: bool = False) -> dict[str, str]:
        """Consent (or refuse) in the platform's dialogue as a person who has two accounts; return the callback's query."""
        ...

    async def expire(self, platform: Platform, page: PageCredentials) -> None:
        """End the account's access token now."""
        ...

    def account_of(self, page: PageCredentials) -> AccountCredentials:
        """The grant behind the account of `an_account`."""
        ...

    def sign(self, body: bytes) -> Mapping[str, str]:
        """The headers with which the platform would post this body, computed here and not by the code under test."""
        ...

    def a_webhook(self, page: PageCredentials, person: str, text: str, message_id: str) -> bytes:
        """The documented body of one inbound message (or comment)."""
        ...

    def refusals(self) -> Sequence[Refused]:
        """Every documented error of a send."""
        ...
