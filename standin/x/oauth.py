"""The login dialogue with PKCE and its tokens: a code of 30 seconds, two hours, refresh tokens that work once."""

import base64
import hashlib
import hmac
import re
import secrets
from urllib.parse import urlsplit

from starlette.responses import Response

from standin.dialogues import Choice, back, failed, offered
from standin.jsonish import Json
from standin.x.errors import OAuthError
from standin.x.state import SCOPES, Code, Refresh, Token
from standin.x.wire import Call, need_basic, token_of

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
DIALOGUE_FIELDS = (
    *("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"),
)
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
INVALID = "Value passed for the token was invalid."


async def dialogue(call: Call) -> Response:
    """GET shows the accounts; POST with `account` (or `person`) and `action` redirects back to the app."""
    refusal = _refusal(call)
    if refusal is not None:
        return failed("Something went wrong", refusal)
    if call.request.method == "GET":
        return offered(_choice(call))
    if call.text("action") != "allow":
        return _back(call, {"error": "access_denied"})
    user = call.x.memory.users.get(call.text("account") or call.text("person") or "")
    if user is None or not user.is_account:
        return failed("Unknown account")
    code = Code(
        value=base64.urlsafe_b64encode(secrets.token_bytes(48)).decode(),
        user=user.id,
        scopes=frozenset((call.text("scope") or "").split()),
        redirect_uri=call.text("redirect_uri") or "",
        challenge=call.text("code_challenge") or "",
        method=call.text("code_challenge_method") or "plain",
        expires_ms=call.x.run.world.now_ms() + call.x.memory.settings.code_s * 1000,
    )
    call.x.memory.codes[code.value] = code
    return _back(call, {"code": code.value})


async def token(call: Call) -> Json:
    """POST /2/oauth2/token with a code."""
    need_basic(call)
    if call.text("grant_type") != "authorization_code":
        raise OAuthError(400, "unsupported_grant_type", "The grant type is not supported.")
    code = call.x.memory.codes.pop(call.text("code") or "", None)
    if code is None or code.expires_ms <= call.x.run.world.now_ms():
        raise OAuthError(400, "invalid_request", "Value passed for the authorization code was invalid.")
    if call.text("redirect_uri") != code.redirect_uri:
        raise OAuthError(
            400, "invalid_request", "Value passed for the redirect uri did not match the uri of the dialogue."
        )
    if not _proves(call.text("code_verifier") or "", code):
        raise OAuthError(400, "invalid_request", "Value passed for the code verifier did not match the code challenge.")
    return issued(call, code.user, code.scopes)


async def refresh(call: Call) -> Json:
    """POST /2/oauth2/token with a refresh token, which is void from here on."""
    need_basic(call)
    old = call.x.memory.refreshes.get(call.text("refresh_token") or "")
    if old is None or old.is_dead:
        raise OAuthError(400, "invalid_request", INVALID)
    old.is_dead = True
    return issued(call, old.user, old.scopes)


async def revoke(call: Call) -> Json:
    """POST /2/oauth2/revoke: this token works no longer."""
    need_basic(call)
    value = call.text("token") or ""
    found = call.x.memory.tokens.get(value) or call.x.memory.refreshes.get(value)
    if found is None:
        raise OAuthError(400, "invalid_request", INVALID)
    if not found.is_dead:
        found.is_dead = True
        call.x.run.world.note_revocation(f"x:{'refresh' if isinstance(found, Refresh) else 'access'}_token", found.user)
    return {"revoked": True}


async def me(call: Call) -> Json:
    """GET /2/users/me."""
    user, _ = token_of(call, "users.read")
    return {"data": {"id": user.id, "name": user.name, "username": user.username}}


def issued(call: Call, user: str, scopes: frozenset[str]) -> Json:
    """Fresh tokens in the token endpoint's form; a refresh token only with offline.access."""
    memory, life_s = call.x.memory, call.x.memory.settings.token_s
    access = Token(secrets.token_urlsafe(60), user, scopes, call.x.run.world.now_ms() + life_s * 1000)
    memory.tokens[access.value] = access
    told: Json = {
        "token_type": "bearer",
        "expires_in": life_s,
        "access_token": access.value,
        "scope": " ".join(scope for scope in SCOPES if scope in scopes),
    }
    if "offline.access" in scopes:
        again = Refresh(secrets.token_urlsafe(60), user, scopes)
        memory.refreshes[again.value] = again
        told["refresh_token"] = again.value
    return told


def _proves(verifier: str, code: Code) -> bool:
    if not VERIFIER.fullmatch(verifier):
        return False
    made = verifier
    if code.method == "S256":
        made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    return hmac.compare_digest(made.encode(), code.challenge.encode())


def _refusal(call: Call) -> str | None:
    redirect, state = call.text("redirect_uri") or "", call.text("state") or ""
    allowed = call.x.redirect_uris
    if call.text("response_type") != "code":
        return "response_type must be code"
    if call.text("client_id") != call.x.app("client_id"):
        return "You weren't able to give access to the App: unknown client_id"
    if not (redirect in allowed if allowed else urlsplit(redirect).hostname in LOOPBACK):
        return "redirect_uri is not in the app's list"
    if not state or len(state) > 500:
        return "state must have 1 to 500 characters"
    if not call.text("code_challenge") or call.text("code_challenge_method") not in ("S256", "plain"):
        return "code_challenge and code_challenge_method are required"
    unknown = [scope for scope in (call.text("scope") or "").split() if scope not in SCOPES]
    return f"unknown scope {unknown[0]}" if unknown else None


def _back(call: Call, told: dict[str, str]) -> Response:
    return back(call.text("redirect_uri") or "", told, call.text("state") or "")


def _choice(call: Call) -> Choice:
    return Choice(
        heading="Log in to the stand-in for X",
        wanted=call.text("scope") or "",
        hidden=[(name, call.text(name)) for name in DIALOGUE_FIELDS],
        who="account",
        people=[(user.id, f"{user.name} (@{user.username})") for user in call.x.memory.accounts()],
        allow="Authorize app",
        refuse="Cancel",
    )
