"""One call to X: its body, its token, the rate-limit headers, and what the fault plan makes of it."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from standin.faults import Rule
from standin.jsonish import Json, text_or_none, whole_or_none
from standin.ledger import Entry
from standin.wrong import wrong_answer
from standin.x.core import X
from standin.x.errors import OF_CODE, OAuthError, XError, bad_request
from standin.x.state import Token, User

JSON_TYPE = "application/json; charset=utf-8"
PLENTY = 900
ID_NAMES = ("id", "dm_event_id", "dm_conversation_id", "media_id", "access_token")


@dataclass(slots=True)
class Call:
    """A call on its way. `headers` are those that the answer gets, whatever it is."""

    x: X
    request: Request
    op: str
    raw: bytes = b""
    fields: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    fault: str | None = None
    entry: Entry | None = None

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the address."""
        return dict(self.request.query_params)

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def text(self, name: str) -> str | None:
        """A field of the body or a parameter of the address as text."""
        value = self.fields.get(name, self.request.query_params.get(name))
        return None if value is None or isinstance(value, dict | list | bool) else str(value)


Handler = Callable[[Call], Awaitable["Json | Response"]]


def route(x: X, op: str, method: str, path: str, handler: Handler) -> Route:
    """The route of one documented call below /x."""

    async def endpoint(request: Request) -> Response:
        return await answer(Call(x, request, op), handler)

    return Route(f"/x{path}", endpoint, methods=[method])


async def answer(call: Call, handler: Handler) -> Response:
    """Carry the call out unless the fault plan forbids it, count it, and answer."""
    run = call.x.run
    call.headers |= _plenty(call.x)
    try:
        await _read(call)
    except XError as error:
        run.world.calls.count(f"x:{call.op}", error.label())
        return respond(call, error.body(call.x.memory.settings.legacy_errors), error.status)
    except ClientDisconnect:
        run.world.calls.count(f"x:{call.op}", "disconnected")
        raise
    account = _caller(call)
    rule = run.faults.pick(call.op, call.request.url.path, account, _person(call, account))
    if rule is not None:
        call.fault = rule.action
        if not rule.accepts:
            return await _faulty(call, rule, None)
    given, label = await _carry_out(call, handler)
    if rule is not None and given.status_code < 400:
        return await _faulty(call, rule, given)
    run.world.calls.count(f"x:{call.op}", label)
    return given


def _plenty(x: X) -> dict[str, str]:
    """The headers stand on every answer; calls with an allowance of their own replace them."""
    reset_s = (x.now_ms() // 900_000 + 1) * 900
    return {
        "x-rate-limit-limit": str(PLENTY),
        "x-rate-limit-remaining": str(PLENTY - 1),
        "x-rate-limit-reset": str(reset_s),
    }


def respond(call: Call, body: object, status: int = 200) -> Response:
    """A JSON answer with the headers that the call collected."""
    return Response(orjson.dumps(body), status, call.headers, JSON_TYPE)


def token_of(call: Call, *scopes: str) -> tuple[User, Token]:
    """The live token of a person with these scopes; 401 for a dead one, 403 without a scope."""
    header = call.request.headers.get("authorization", "")
    token = call.x.memory.tokens.get(header[7:].strip()) if header[:7].lower() == "bearer " else None
    if token is None or token.is_dead or (token.expires_ms and token.expires_ms <= call.x.run.world.now_ms()):
        raise XError(401, "Unauthorized", code=89)
    missing = [scope for scope in scopes if scope not in token.scopes]
    if missing:
        raise XError(403, f"Your client app is not configured with the scope {missing[0]}.", kind="client-forbidden")
    return call.x.memory.user(token.user), token


def need_app_bearer(call: Call) -> None:
    """401 unless the call carries the app-only bearer."""
    header = call.request.headers.get("authorization", "")
    wanted = f"Bearer {call.x.app('bearer_token')}"
    if not hmac.compare_digest(header.encode(), wanted.encode()):
        raise XError(401, "Unauthorized")


def need_basic(call: Call) -> None:
    """401 unless the call carries id and secret of our confidential client (RFC 6749 section 2.3.1)."""
    header = call.request.headers.get("authorization", "")
    if header[:6].lower() != "basic ":
        raise OAuthError(401, "unauthorized_client", "Missing valid authorization header")
    try:
        name, _, secret = base64.b64decode(header[6:], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise OAuthError(401, "invalid_client", "Invalid authorization header") from None
    known = (call.x.app("client_id"), call.x.app("client_secret"))
    fits = [
        hmac.compare_digest(unquote(one).encode(), two.encode()) for one, two in zip((name, secret), known, strict=True)
    ]
    if not all(fits):
        raise OAuthError(401, "invalid_client", "Client authentication failed")


async def _read(call: Call) -> None:
    call.raw = await call.request.body()
    kind = call.request.headers.get("content-type", "")
    if not call.raw or kind.startswith("multipart/"):
        return
    if kind.startswith("application/json"):
        try:
            found = orjson.loads(call.raw)
        except orjson.JSONDecodeError:
            raise bad_request("The body is not valid JSON.") from None
        if not isinstance(found, dict):
            raise bad_request("The body must be an object.")
        call.fields = found
    else:
        call.fields = dict(parse_qsl(call.raw.decode("utf-8", "replace"), keep_blank_values=True))


def _caller(call: Call) -> str | None:
    header = call.request.headers.get("authorization", "")
    token = call.x.memory.tokens.get(header[7:].strip())
    if token is not None:
        return token.user
    refresh = call.x.memory.refreshes.get(call.text("refresh_token") or "")
    return refresh.user if refresh is not None else None


def _person(call: Call, account: str | None) -> str | None:
    """The other party of the call, where its path says so."""
    given = call.request.path_params.get("participant")
    if given is not None or account is None:
        return given
    pair = str(call.request.path_params.get("conversation", "")).split("-")
    return next((one for one in pair if one and one != account), None) if account in pair else None


async def _carry_out(call: Call, handler: Handler) -> tuple[Response, str]:
    try:
        result = await handler(call)
    except XError as error:
        return respond(call, error.body(call.x.memory.settings.legacy_errors), error.status), error.label()
    given = result if isinstance(result, Response) else respond(call, result)
    return given, str(given.status_code)


async def _faulty(call: Call, rule: Rule, true_answer: Response | None) -> Response:
    # Counted before the answer: a client that was dropped may ask for the counts at once.
    call.x.run.world.calls.count(f"x:{call.op}", f"fault:{rule.action}")
    return await wrong_answer(rule, true_answer, lambda one: _refused(call, one), ID_NAMES)


def _refused(call: Call, rule: Rule) -> Response:
    """The error a rule asks for: `code` in the shape of the settings, or a problem document of `status`, or `body` as it is."""
    given = rule.details.get("body")
    code = whole_or_none(rule.details, "code")
    status, message = OF_CODE.get(code or 0, (400, "The request was refused."))
    status = whole_or_none(rule.details, "status") or status
    if given is not None:
        raw = given.encode() if isinstance(given, str) else orjson.dumps(given)
        return Response(raw, status, call.headers, JSON_TYPE)
    error = XError(status, text_or_none(rule.details, "message") or message, code=code)
    return respond(call, error.body(call.x.memory.settings.legacy_errors or call.op != "send"), status)
