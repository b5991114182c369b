"""Factories of the platform tests: connectors, pages, messages, and answers of the Graph API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from server.config import MessengerSettings
from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import (
    AccountCredentials,
    Channel,
    FailureReason,
    Login,
    NotSent,
    Outcome,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
)
from tests.platforms.wire import Exchange, Script, Wire

Wired = Callable[[Script], Awaitable[tuple[MessengerConnector, Wire]]]

SECRET = "0123456789abcdef0123456789abcdef"
VERIFY_TOKEN = "a-verify-token"
PAGE_TOKEN = "EAAG-page-token"
TAKEN: dict[str, object] = {"recipient_id": "7", "message_id": "m_1"}


def a_connector(url: str = "http://127.0.0.1:1", secret: str = SECRET) -> MessengerConnector:
    """A connector whose Graph API is at `url`."""
    return MessengerConnector(
        MessengerSettings(
            MESSENGER_APP_ID="app-1",
            MESSENGER_APP_SECRET=secret,
            MESSENGER_VERIFY_TOKEN=VERIFY_TOKEN,
            MESSENGER_GRAPH_URL=url,
            MESSENGER_DIALOG_URL=url,
        )
    )


def a_page(external_id: str = "100", ad_account_id: str | None = "act_9") -> PageCredentials:
    """Credentials of a page."""
    return PageCredentials(Channel.MESSENGER, external_id, PAGE_TOKEN, "EAAG-account-token", ad_account_id)


def an_account(token: str) -> AccountCredentials:
    """A grant of person 1."""
    return AccountCredentials(Channel.MESSENGER, "1", token, Login.FACEBOOK)


def a_message(
    text: str = "Hello",
    *,
    recipient_external_id: str = "7",
    human_agent: bool = False,
    marketing_token: str | None = None,
    platform_campaign_id: str | None = None,
) -> OutgoingMessage:
    """A message to person 7."""
    is_marketing = marketing_token is not None or platform_campaign_id is not None
    return OutgoingMessage(
        recipient_external_id,
        text,
        "sb1:ref:1",
        OutgoingKind.MARKETING if is_marketing else OutgoingKind.MESSAGE,
        human_agent=human_agent,
        marketing_token=marketing_token,
        platform_campaign_id=platform_campaign_id,
    )


def answers(status: int, body: object, **headers: str) -> Script:
    """A script that answers every request alike."""

    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, body, **headers)

    return script


def graph_error(code: int, subcode: int | None = None, **more: object) -> dict[str, object]:
    """The body of an error answer."""
    error: dict[str, object] = {"message": "(#x) no", "type": "OAuthException", "code": code, **more}
    if subcode is not None:
        error["error_subcode"] = subcode
    return {"error": error}


def refused(reason: FailureReason, retryable: bool = False) -> tuple[type[NotSent], FailureReason, bool]:
    """What `seen` shows of a refusal."""
    return NotSent, reason, retryable


def seen(outcome: Outcome) -> object:
    """What a table compares of an outcome."""
    return (NotSent, outcome.reason, outcome.retryable) if isinstance(outcome, NotSent) else type(outcome)
