"""The control API's part about people of the dialogue: they remove the app, ask for deletion, or take one right back."""

import base64
import hashlib
import hmac

import httpx
import orjson
from starlette.requests import Request

from standin.jsonish import BadBody, Json, as_dict, text, text_or_none
from standin.meta_signing import escaped, signatures
from standin.runtime import Runtime
from standin.state import Person

REMOVED = 458


async def deed(run: Runtime, person: Person, name: str, given: Json) -> Json:
    """Carry out `deauthorize`, `delete_data` or `permission`; `BadBody` for any other."""
    match name:
        case "deauthorize":
            _remove(run, person)
            return await _call_back(run, person, given, run.world.config.deauthorize_url)
        case "delete_data":
            return await _call_back(run, person, given, run.world.config.deletion_url)
        case "permission":
            return await _permission(run, person, given)
        case other:
            raise BadBody(f"unknown deed {other}")


async def person_deed(run: Runtime, request: Request, person: Person, body: object) -> Json:
    """The same from a control call."""
    given = as_dict(body)
    if given is None:
        raise BadBody("an object is required")
    return await deed(run, person, request.path_params["deed"], given)


def signed_request(secret: str, person: str, now_s: int) -> str:
    """base64url(signature).base64url(JSON), no padding; the signature is over the second part as text."""
    claims = {"algorithm": "HMAC-SHA256", "issued_at": now_s, "expires": now_s + 3_600, "user_id": person}
    payload = _base64url(orjson.dumps(claims))
    return f"{_base64url(hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest())}.{payload}"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _remove(run: Runtime, person: Person) -> None:
    person.permissions.clear()
    for token in run.world.tokens.values():
        if token.person == person.id and token.dead is None:
            token.dead = REMOVED


async def _call_back(run: Runtime, person: Person, given: Json, configured: str | None) -> Json:
    url = text_or_none(given, "url") or configured
    if url is None:
        raise BadBody("url is required, the app has none")
    kind = text(given, "signature", "good")
    if kind not in ("good", "bad"):
        raise BadBody("signature must be good or bad")
    secret = run.world.config.app_secret if kind == "good" else "another-secret"
    form = {"signed_request": signed_request(secret, person.id, run.world.now_ms() // 1000)}
    try:
        answer = await run.webhooks.post_form(url, form)
    except httpx.HTTPError:
        return {"status": 0, "body": None}
    try:
        shown: object = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        shown = answer.text[:1_000]
    return {"status": answer.status_code, "body": shown}


async def _permission(run: Runtime, person: Person, given: Json) -> Json:
    """One right is taken or given; the webhook about it has the object `permissions` and goes out once."""
    name, verb = text(given, "permission"), text(given, "verb", "revoked")
    if verb not in ("granted", "revoked"):
        raise BadBody("verb must be granted or revoked")
    if name == "connected":
        if verb == "revoked":
            _remove(run, person)
    else:
        person.permissions[name] = "granted" if verb == "granted" else "declined"
        _set_scope(run, person, name, verb == "granted")
    url = text_or_none(given, "url") or run.world.config.callback_url
    if url is None:
        return {"status": None}
    change = {"field": name, "value": {"verb": verb, "target_ids": []}}
    entry = {"id": person.id, "uid": person.id, "time": run.world.now_ms() // 1000, "changes": [change]}
    raw = escaped({"object": "permissions", "entry": [entry]})
    return {"status": await run.webhooks.post(url, raw, signatures(run.world.config.app_secret, raw))}


def _set_scope(run: Runtime, person: Person, name: str, is_granted: bool) -> None:
    for token in run.world.tokens.values():
        if token.person == person.id and token.scopes is not None:
            token.scopes = token.scopes | {name} if is_granted else token.scopes - {name}
