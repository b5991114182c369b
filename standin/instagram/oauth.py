"""Instagram's own login: dialogue, code, short and long-lived token, refresh. The token host has an error shape of its own."""

import hmac
from urllib.parse import urlsplit

from starlette.responses import Response

from standin.dialogues import Choice, back, failed, offered
from standin.errors import GraphError, bad_parameter
from standin.graph import Call
from standin.instagram.state import Account, Code, Studio, Token
from standin.instagram.visit import live
from standin.jsonish import Json

SHORT_S = 3_600
CODE_S = 3_600
DAY_S = 86_400
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
TAIL = "#_"
HIDDEN = ("client_id", "redirect_uri", "state", "response_type", "scope")


class TokenRefused(Exception):
    """A refusal of the token host: { error_type, code, error_message }, flat."""

    def __init__(self, message: str, kind: str = "OAuthException", code: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.code = code

    def body(self) -> Json:
        """The answer's JSON."""
        return {"error_type": self.kind, "code": self.code, "error_message": self.message}


def dialogue(studio: Studio, call: Call) -> Response:
    """GET shows the accounts; POST with `account` and `action` redirects back to the app."""
    refusal = _refusal(studio, call)
    if refusal is not None:
        return failed("Invalid request", refusal)
    if call.method == "GET":
        return offered(_choice(studio, call))
    if call.param("action") != "allow":
        told = {
            "error": "access_denied",
            "error_reason": "user_denied",
            "error_description": "The user denied your request",
        }
        return _back(call, told)
    account = studio.accounts.get(call.param("account") or "")
    if account is None:
        return failed("Unknown account")
    value = f"AQ{studio.run.world.new_id()}{hmac.new(b'code', studio.new_mid().encode(), 'sha256').hexdigest()}"
    studio.codes[value] = Code(
        account.id, call.param("redirect_uri") or "", _scopes(call), studio.now_ms() + CODE_S * 1000
    )
    return _back(call, {"code": value + TAIL})


def exchange(studio: Studio, call: Call) -> Json:
    """POST /oauth/access_token: a code becomes a token of an hour."""
    app = studio.app
    if call.param("client_id") != app.get("app_id"):
        raise TokenRefused("Invalid platform app")
    secret = call.param("client_secret") or ""
    if not hmac.compare_digest(secret.encode(), app.get("app_secret", "").encode()):
        raise TokenRefused("Invalid client secret")
    if call.param("grant_type") != "authorization_code":
        raise TokenRefused("Invalid grant_type")
    code = studio.codes.pop(call.param("code") or "", None)
    if code is None:
        raise TokenRefused("This authorization code has been used, or is no code at all")
    if code.redirect_uri != call.param("redirect_uri"):
        raise TokenRefused("Error validating verification code: redirect_uri must be the one of the dialogue")
    if code.expires_ms < studio.now_ms():
        raise TokenRefused("This authorization code has expired")
    account = studio.accounts[code.account]
    token = studio.issue(account, is_long=False, scopes=code.scopes, life_s=SHORT_S)
    told: Json = {"access_token": token.value, "user_id": account.scoped, "permissions": ",".join(code.scopes)}
    return {"data": [told]} if studio.choices.token_in_list else told


def long_lived(studio: Studio, call: Call) -> Json:
    """GET /access_token: a token of an hour becomes one of 60 days."""
    if call.need("grant_type") != "ig_exchange_token":
        raise bad_parameter("grant_type must be ig_exchange_token")
    if not hmac.compare_digest(call.need("client_secret").encode(), studio.app.get("app_secret", "").encode()):
        raise GraphError(101, "Error validating client secret.")
    short = live(studio, call.need("access_token"))
    if short.is_long:
        raise GraphError(452, "Session key invalid. This could be because the session key has an incorrect format.")
    return _answer(studio, _account(studio, short), short.scopes)


def refreshed(studio: Studio, call: Call) -> Json:
    """GET /refresh_access_token: only a living long-lived token that is at least 24 h old."""
    if call.need("grant_type") != "ig_refresh_token":
        raise bad_parameter("grant_type must be ig_refresh_token")
    token = live(studio, call.need("access_token"))
    if not token.is_long:
        raise bad_parameter("Only long-lived access tokens can be refreshed")
    if studio.now_ms() // 1000 - token.issued_s < DAY_S:
        raise bad_parameter("The access token must be at least 24 hours old to be refreshed")
    return _answer(studio, _account(studio, token), token.scopes)


def _answer(studio: Studio, account: Account, scopes: list[str]) -> Json:
    life_s = studio.run.world.config.long_token_s
    token = studio.issue(account, is_long=True, scopes=scopes, life_s=life_s)
    return {"access_token": token.value, "token_type": "bearer", "expires_in": life_s}


def _account(studio: Studio, token: Token) -> Account:
    account = studio.accounts.get(token.account)
    if account is None:
        raise bad_parameter("The account is gone")
    return account


def _refusal(studio: Studio, call: Call) -> str | None:
    allowed = studio.run.world.config.redirect_uris
    redirect = call.param("redirect_uri") or ""
    if call.param("client_id") != studio.app.get("app_id"):
        return "Invalid platform app"
    if not (redirect in allowed or (not allowed and urlsplit(redirect).hostname in LOOPBACK)):
        return "Invalid redirect_uri"
    if call.param("response_type") != "code":
        return "response_type must be code"
    return None


def _scopes(call: Call) -> list[str]:
    return [one.strip() for one in (call.param("scope") or "").replace(" ", ",").split(",") if one.strip()]


def _back(call: Call, told: dict[str, str]) -> Response:
    return back(call.param("redirect_uri") or "", told, call.param("state"))


def _choice(studio: Studio, call: Call) -> Choice:
    return Choice(
        heading="Log in to the stand-in of Instagram",
        wanted=", ".join(_scopes(call)),
        hidden=[(name, call.param(name)) for name in HIDDEN],
        who="account",
        people=[(account.id, f"@{account.username}") for account in studio.accounts.values()],
    )
