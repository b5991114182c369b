"""The login dialogue and its tokens: code, access token, a refresh token that changes with each use, inspection, the end."""

import secrets
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from standin.dialogues import Choice, back, failed, offered
from standin.jsonish import Json
from standin.tiktok.state import Code, Token
from standin.tiktok.wire import BAD_PARAMETER, BAD_TOKEN, Call, Refused, TikTok

SCOPES = (
    *("user.info.basic", "user.info.username", "user.info.profile", "user.info.stats", "user.account.type"),
    *("user.insights", "message.list.read", "message.list.send", "message.list.manage", "comment.list"),
)
FIELDS = ("response_type", "client_key", "redirect_uri", "scope", "state")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


async def dialogue(tiktok: TikTok, request: Request) -> Response:
    """GET shows the page with the accounts; POST with `account` and `action` leads back to the app.

    The optional field `scopes` (commas) is what the person leaves switched on.
    """
    given = dict(request.query_params)
    if request.method == "POST":
        given |= dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    refusal = _refusal(tiktok, given)
    if refusal is not None:
        return failed("Something went wrong", refusal)
    if request.method == "GET":
        return offered(_choice(tiktok, given))
    if given.get("action") != "allow":
        told = {"error": "access_denied", "error_description": "The user denied the request"}
        return _back(given, told)
    account = tiktok.memory.accounts.get(given.get("account", ""))
    if account is None:
        return failed("Unknown account")
    asked = _listed(given.get("scope", ""))
    left_on = _listed(given["scopes"]) if given.get("scopes") else asked
    scopes = [scope for scope in asked if scope in left_on]
    code = Code(
        f"{secrets.token_urlsafe(40)}*0!6217",
        account.id,
        given["redirect_uri"],
        scopes,
        tiktok.now_ms() + tiktok.memory.settings.code_s * 1000,
    )
    tiktok.memory.codes[code.value] = code
    return _back(given, {"code": code.value, "scopes": ",".join(scopes)})


async def token(call: Call) -> Json:
    """A code becomes tokens, once, for the redirect address it was asked with."""
    call.app("client_id", "client_secret")
    if call.text("grant_type") != "authorization_code":
        raise Refused(BAD_PARAMETER, "grant_type must be authorization_code.")
    code = call.tiktok.memory.codes.pop(call.text("auth_code"), None)
    if code is None or code.expires_ms <= call.tiktok.now_ms():
        raise Refused(BAD_PARAMETER, "auth_code is invalid, used or expired.")
    if code.redirect_uri != call.text("redirect_uri"):
        raise Refused(BAD_PARAMETER, "redirect_uri is not the one of the authorization.")
    return issued(call.tiktok, code.account, code.scopes)


async def refresh(call: Call) -> Json:
    """A refresh token becomes a new pair; the old one is void from then on."""
    call.app("client_id", "client_secret")
    if call.text("grant_type") != "refresh_token":
        raise Refused(BAD_PARAMETER, "grant_type must be refresh_token.")
    memory = call.tiktok.memory
    old = memory.live(call.text("refresh_token"), call.tiktok.now_ms(), is_refresh=True)
    if old is None:
        raise Refused(BAD_TOKEN, "The refresh token is invalid, used or expired.")
    old.is_dead = True
    return issued(call.tiktok, old.account, old.scopes)


async def revoke(call: Call) -> Json:
    """The app gives the grant of an account back: all its tokens end."""
    call.app("client_id", "client_secret")
    found = _access(call)
    end(call.tiktok, found.account)
    call.tiktok.run.world.note_revocation("permissions", found.account)
    return {}


async def token_info(call: Call) -> Json:
    """Which app, account and scopes a token has."""
    if call.text("app_id") != call.tiktok.key:
        raise Refused(BAD_PARAMETER, "app_id is not the app of the token.")
    found = _access(call)
    return {"app_id": call.tiktok.key, "creator_id": found.account, "scope": ",".join(found.scopes)}


def issued(tiktok: TikTok, account: str, scopes: list[str]) -> Json:
    """A new pair of tokens, as the token endpoints tell it."""
    now, settings = tiktok.now_ms(), tiktok.memory.settings
    access = tiktok.memory.issue(account, scopes, now, is_refresh=False)
    renewing = tiktok.memory.issue(account, scopes, now, is_refresh=True)
    return {
        "access_token": access.value,
        "token_type": "Bearer",
        "scope": ",".join(scopes),
        "expires_in": settings.access_s,
        "refresh_token": renewing.value,
        "refresh_token_expires_in": settings.refresh_s,
        "open_id": account,
    }


def end(tiktok: TikTok, account: str, *, is_refresh: bool | None = None) -> int:
    """Kill the tokens of an account, of one kind or of both; give their number."""
    killed = [
        token
        for token in tiktok.memory.tokens.values()
        if token.account == account and not token.is_dead and is_refresh in (None, token.is_refresh)
    ]
    for token in killed:
        token.is_dead = True
    return len(killed)


def _access(call: Call) -> Token:
    found = call.tiktok.memory.live(call.text("access_token"), call.tiktok.now_ms())
    if found is None:
        raise Refused(BAD_TOKEN)
    return found


def _refusal(tiktok: TikTok, given: dict[str, str]) -> str | None:
    redirect = given.get("redirect_uri", "")
    if given.get("client_key") != tiktok.key:
        return "client_key"
    allowed = tiktok.redirect_uris
    if not (redirect in allowed if allowed else urlsplit(redirect).hostname in LOOPBACK):
        return "redirect_uri"
    if given.get("response_type") != "code":
        return "response_type"
    unknown = [scope for scope in _listed(given.get("scope", "")) if scope not in SCOPES]
    return f"scope {unknown[0]}" if unknown else None


def _listed(scopes: str) -> list[str]:
    return [scope.strip() for scope in scopes.split(",") if scope.strip()]


def _back(given: dict[str, str], answer: dict[str, str]) -> Response:
    return back(given["redirect_uri"], answer, given.get("state"))


def _choice(tiktok: TikTok, given: dict[str, str]) -> Choice:
    return Choice(
        heading="Log in to the stand-in for TikTok",
        wanted=", ".join(_listed(given.get("scope", ""))),
        hidden=[(name, given.get(name)) for name in FIELDS],
        who="account",
        people=[(account.id, account.display_name) for account in tiktok.memory.accounts.values()],
        allow="Continue",
        refuse="Cancel",
    )
