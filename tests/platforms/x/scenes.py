"""An account and a person at the stand-in, and what goes between them."""

from __future__ import annotations

from server.platforms.port import (
    OutgoingMessage,
    PageCredentials,
)
from tests.platforms.x.factory import a_page, account_at, an_id
from tests.standin_server import Platform


async def a_person(platform: Platform, account: str, **more: object) -> str:
    """Somebody who may be written to."""
    person = an_id()
    await platform.control("x/customers", {"account": account, "person": person, "name": "Grace", **more})
    return person


async def a_scene(platform: Platform, **more: object) -> tuple[PageCredentials, str]:
    """An account and a person."""
    account, token = await account_at(platform, **more)
    return a_page(account, token), await a_person(platform, account)


def hello(person: str, text: str = "Hello", **more: object) -> OutgoingMessage:
    """A message to a person."""
    return OutgoingMessage(person, text, "sb1:ref:1", **more)  # type: ignore[arg-type]
