"""The login dialogue and its tokens: code, short and long user token, inspection, permissions."""

import hmac
import secrets
from urllib.parse import urlsplit

from starlette.responses import Response

from standin.dialogues import Choice, back, failed, offered
from standin.errors import GraphError, bad_parameter, object_gone
from standin.graph import Call, live_token, raw_token, user_token
from standin.jsonish import Json
from standin.state import Token

ALL_SCOPES = [
    *("public_profile", "pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_read_engagement"),
    *("business_management", "pages_utility_messaging", "page_utility_messaging", "paid_marketing_messages"),
    *("marketing_messages_messenger", "ads_management", "ads_read"),
    *("pages_read_user_content", "pages_manage_engagement"),
]
DIALOGUE_FIELDS = ("client_id", "redirect_uri", "state", "response_type", "scope", "config_id")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


async def dialogue(call: Call) -> Response:
    """GET shows the page with the people; POST with `person` and `action` redirects back to the app."""
    refusal = _refusal(call)
    if refusal is not None:
        return failed("Invalid request", refusal)
    if call.method == "GET":
        return offered(_choice(call))
    if call.param("action") != "allow":
        return _back(
            call,
            {
                "error": "access_denied",
                "error_code": "200",
                "error_description": "Permissions error",
                "error_reason": "user_denied",
            },
        )
    person = call.run.world.people.get(call.param("person") or "")
    if person is None:
        return failed("Unknown person")
    scopes = ALL_SCOPES if call.param("config_id") else ["public_profile", *_scopes(call)]
    for scope in scopes:
        person.permissions[scope] = "granted"
    code = f"AQ{secrets.token_urlsafe(60)}"
    pages = call.param("page_ids")
    call.run.world.codes[code] = {
        "person": person.id,
        "redirect_uri": call.param("redirect_uri"),
        "scopes": scopes,
        "pages": [page.strip() for page in pages.split(",")] if pages else None,
        "expires_ms": call.run.world.now_ms() + call.run.world.config.code_s * 1000,
    }
    return _back(call, {"code": code})


async def access_token(call: Call) -> Json:
    """A code, a short user token or the app's own secret becomes a token."""
    config = call.run.world.config
    if call.need("client_id") != config.app_id:
        raise GraphError(101, "Error validating application. Cannot get application info due to a system error.")
    if not hmac.compare_digest(call.need("client_secret").encode(), config.app_secret.encode()):
        raise GraphError(1, "Error validating client secret.")
    grant = call.param("grant_type")
    if grant == "client_credentials":
        return {"access_token": f"{config.app_id}|{config.app_secret}", "token_type": "bearer"}
    if grant == "fb_exchange_token":
        short = live_token(call.run, call.need("fb_exchange_token"))
        if short.kind != "USER" or short.person is None:
            raise bad_parameter("fb_exchange_token must be a user token.")
        return _issue(call, short.person, short.scopes, short.granted_pages, config.long_token_s)
    code = call.run.world.codes.pop(call.need("code"), None)
    if code is None:
        raise GraphError(100, "This authorization code has been used.", 36009)
    if code["redirect_uri"] != call.need("redirect_uri"):
        raise GraphError(
            100,
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used "
            "in the OAuth dialog request",
            36008,
        )
    if _number(code["expires_ms"]) < call.run.world.now_ms():
        raise GraphError(100, "This authorization code has expired.", 36007)
    scopes, pages = code["scopes"], code["pages"]
    return _issue(
        call,
        str(code["person"]),
        frozenset(scopes) if isinstance(scopes, list) else None,
        frozenset(pages) if isinstance(pages, list) else None,
        config.user_token_s,
    )


async def debug_token(call: Call) -> Json:
    """What a token is and whether it still works; asked with the app token or a user token of the app."""
    world = call.run.world
    if raw_token(call) != f"{world.config.app_id}|{world.config.app_secret}":
        user_token(call)
    token = world.tokens.get(call.need("input_token"))
    if token is None:
        error = {"code": 190, "message": "Malformed access token"}
        return {"data": {"error": error, "is_valid": False, "scopes": []}}
    expired = bool(token.expires_s) and token.expires_s * 1000 <= world.now_ms()
    scopes = sorted(token.scopes) if token.scopes is not None else ALL_SCOPES
    data: Json = {
        "app_id": world.config.app_id,
        "type": token.kind,
        "application": "Switchboard",
        "data_access_expires_at": token.issued_s + 90 * 86_400,
        "expires_at": token.expires_s,
        "is_valid": token.dead is None and not expired,
        "issued_at": token.issued_s,
        "scopes": scopes,
        "granular_scopes": _granular(token, scopes),
    }
    if token.person is not None:
        data["user_id"] = token.person
    if token.kind == "PAGE":
        data["profile_id"] = token.page
    if token.dead is not None or expired:
        data["error"] = {"code": 190, "message": "Error validating access token", "subcode": token.dead or 463}
    return {"data": data}


async def permissions(call: Call) -> Json:
    """GET lists what the person granted; DELETE drops one or, without a name, removes the app and kills all tokens."""
    token = user_token(call)
    person = call.run.world.people.get(token.person or "")
    if person is None or call.segments[0] not in ("me", person.id):
        raise object_gone(call.segments[0])
    if call.method == "GET":
        rows = [{"permission": name, "status": status} for name, status in person.permissions.items()]
        return {"data": rows}
    if len(call.segments) == 3:
        dropped = call.segments[2]
        if dropped not in person.permissions:
            raise bad_parameter("The permission is not granted.")
        person.permissions[dropped] = "declined"
        for other in _tokens_of(call, person.id):
            if other.scopes is not None:
                other.scopes -= {dropped}
        return {"success": True}
    person.permissions.clear()
    call.run.world.note_revocation("permissions", person.id)
    for other in _tokens_of(call, person.id):
        other.dead = 458
    return {"success": True}


def _tokens_of(call: Call, person: str) -> list[Token]:
    return [token for token in call.run.world.tokens.values() if token.person == person]


def _issue(call: Call, person: str, scopes: frozenset[str] | None, pages: frozenset[str] | None, life_s: int) -> Json:
    issued = call.run.world.now_ms() // 1000
    value = f"EAAU{secrets.token_urlsafe(48)}"
    call.run.world.issue(Token(value, "USER", person, None, scopes, issued, issued + life_s, granted_pages=pages))
    return {"access_token": value, "token_type": "bearer", "expires_in": life_s}


def _granular(token: Token, scopes: list[str]) -> list[Json]:
    rows: list[Json] = []
    for scope in scopes:
        row: Json = {"scope": scope}
        if token.granted_pages is not None and scope.startswith("pages_"):
            row["target_ids"] = sorted(token.granted_pages)
        rows.append(row)
    return rows


def _refusal(call: Call) -> str | None:
    config = call.run.world.config
    redirect = call.param("redirect_uri") or ""
    if call.param("client_id") != config.app_id:
        return "Invalid App ID"
    allowed = redirect in config.redirect_uris if config.redirect_uris else urlsplit(redirect).hostname in LOOPBACK
    if not allowed:
        return "URL blocked: redirect_uri is not in the app's list of valid OAuth redirect URIs"
    if call.param("response_type") not in (None, "code"):
        return "response_type must be code"
    return None


def _scopes(call: Call) -> list[str]:
    return [scope.strip() for scope in (call.param("scope") or "").split(",") if scope.strip()]


def _back(call: Call, answer: dict[str, str]) -> Response:
    fragment = "_=_" if "code" in answer else ""
    return back(call.param("redirect_uri") or "", answer, call.param("state"), fragment=fragment)


def _choice(call: Call) -> Choice:
    return Choice(
        heading="Log in to the stand-in",
        wanted=", ".join(_scopes(call)) or "a saved configuration",
        hidden=[(name, call.param(name)) for name in DIALOGUE_FIELDS],
        who="person",
        people=[(person.id, person.name) for person in call.run.world.people.values()],
        more='<p><label>Only these pages (ids, comma separated): <input name="page_ids"></label></p>',
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
