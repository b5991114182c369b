"""One call about an account, by either login: whose it is, what its token may, and how fast it may call."""

import hashlib
import hmac
import time
from collections import deque
from dataclasses import dataclass

from standin.errors import GraphError, dead_token, no_permission, object_gone
from standin.graph import Call, page_of, raw_token
from standin.instagram.posting import Hooks
from standin.instagram.state import Account, Studio, Token
from standin.jsonish import Json, as_dict

THROTTLED = 80002
MESSAGES = ("instagram_business_manage_messages", "instagram_manage_messages")
COMMENTS = ("instagram_business_manage_comments", "instagram_manage_comments")


@dataclass(slots=True)
class Visit:
    """A call whose token speaks for the account."""

    studio: Studio
    hooks: Hooks
    call: Call
    account: Account
    token: str

    def throttle(self, kind: str, most: int, within_s: float = 1.0) -> None:
        """Count the call in the account's sliding window; the throttling error when it is full."""
        if most <= 0:
            return
        now = time.monotonic()
        window = self.account.windows.setdefault(kind, deque())
        while window and now - window[0] >= within_s:
            window.popleft()
        if len(window) >= most:
            self.call.throttled = True
            raise GraphError(THROTTLED, f"(#{THROTTLED}) There have been too many calls to this Instagram account.")
        window.append(now)

    def recipient(self) -> tuple[str, str]:
        """Whom a send names: the kind of the name, and the name."""
        recipient = as_dict(self.call.params.get("recipient")) or {}
        named = [key for key in ("id", "comment_id") if recipient.get(key) is not None]
        if len(named) != 1:
            raise GraphError(100, "(#100) Param recipient must have exactly one of id, comment_id")
        return named[0], str(recipient[named[0]])


def direct_visit(studio: Studio, hooks: Hooks, call: Call, scope: str | None) -> Visit:
    """The visit of a call with a token of the direct login; `me` is the token's account."""
    token = live(studio, raw_token(call))
    _check_proof(studio, call, token.value)
    account = studio.accounts.get(token.account)
    if account is None:
        raise object_gone("me")
    if scope is not None and studio.run.world.config.enforce_scopes and scope not in token.scopes:
        raise no_permission(f"Requires {scope} permission")
    return Visit(studio, hooks, call, account, token.value)


def _check_proof(studio: Studio, call: Call, token: str) -> None:
    proof = call.param("appsecret_proof")
    if proof is None and not studio.run.world.config.require_appsecret_proof:
        return
    expected = hmac.new(studio.app.get("app_secret", "").encode(), token.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), (proof or "").encode()):
        raise GraphError(100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException")


def page_visit(studio: Studio, hooks: Hooks, call: Call, scope: str) -> Visit:
    """The visit of a call with the token of the Facebook page that the account hangs on."""
    node, call.segments[0] = call.segments[0], call.segments[0] if call.segments[0] in call.run.world.pages else "me"
    try:
        page, token = page_of(call)
    finally:
        call.segments[0] = node
    account = studio.of_page(page)
    if account is None:
        raise object_gone(node)
    if call.run.world.config.enforce_scopes and not token.has_scope(scope):
        raise no_permission(f"Requires {scope} permission")
    return Visit(studio, hooks, call, account, token.value)


def live(studio: Studio, value: str | None) -> Token:
    """The token if it works now, else error 190 with the subcode of its death."""
    token = studio.tokens.get(value or "")
    if token is None:
        raise dead_token(None)
    if token.dead is not None:
        raise dead_token(token.dead)
    if token.expires_s and token.expires_s * 1000 <= studio.now_ms():
        raise dead_token(463)
    return token


def shown_account(account: Account) -> Json:
    """Everything that an account's node can show."""
    return {
        "id": account.scoped,
        "user_id": account.id,
        "username": account.username,
        "name": account.name,
        "account_type": "BUSINESS",
    }
