"""One call of the business API: its parameters, its token, the fault plan, and answers as HTTP 200 with a code."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from standin.faults import Rule
from standin.jsonish import Json, as_dict, text_or_none, whole_or_none
from standin.runtime import Runtime
from standin.tiktok.hooks import Hooks
from standin.tiktok.state import EUROPE, Account, Conversation, Memory, Message, Token, is_crowded
from standin.wrong import JSON_TYPE, wrong_answer

IDS = ("message_id", "media_id", "access_token", "open_id", "conversation_id", "download_url")
NO_PERMISSION, BAD_PARAMETER, NOT_FOUND, REFUSED = 40001, 40002, 40007, 40064
TOO_FREQUENT, BAD_TOKEN, FILE_TYPE, SYSTEM_ERROR = 40100, 40105, 40908, 51065
MESSAGES = {
    NO_PERMISSION: "No permission to perform the operation",
    BAD_PARAMETER: "Invalid parameter",
    NOT_FOUND: "The target does not exist",
    REFUSED: "The message is blocked by direct message rules",
    TOO_FREQUENT: "Requests made too frequently",
    BAD_TOKEN: "Access token is incorrect or has been revoked",
    FILE_TYPE: "Unsupported file type",
    SYSTEM_ERROR: "System error",
}


class Refused(Exception):
    """A refusal: a code that is not 0."""

    def __init__(self, code: int, message: str | None = None) -> None:
        super().__init__(message or MESSAGES.get(code, "Error"))
        self.code = code
        self.message = str(self)


@dataclass(slots=True)
class TikTok:
    """What every part of this platform works with."""

    run: Runtime
    memory: Memory
    hooks: Hooks

    @property
    def key(self) -> str:
        """The app's key."""
        return str(self._app.get("client_key", ""))

    @property
    def secret(self) -> str:
        """The app's secret."""
        return str(self._app.get("client_secret", ""))

    @property
    def redirect_uris(self) -> list[str]:
        """Where the dialogue may lead back to; empty: any loopback address."""
        given = self._app.get("redirect_uris")
        return [str(one) for one in given] if isinstance(given, list) else []

    @property
    def _app(self) -> Json:
        return self.run.world.config.apps.get("tiktok", {})

    def now_ms(self) -> int:
        """The stand-in's clock."""
        return self.run.world.now_ms()

    def add(self, thread: Conversation, message: Message) -> None:
        """Append to the conversation, which is the newest from here on."""
        thread.messages.append(message)
        thread.moved = self.run.world.next_number()


@dataclass(slots=True)
class Call:
    """A call on its way. `fault` is what the plan has chosen for it, `account` whom it is about."""

    tiktok: TikTok
    request: Request
    body: Json
    op: str
    fault: str | None = None
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A parameter of query or body as text; 40002 when it is absent."""
        found = self.maybe(name)
        if not found:
            raise Refused(BAD_PARAMETER, f"{name}: Missing data for required field.")
        return found

    def maybe(self, name: str) -> str | None:
        """A parameter of query or body as text; None when it is absent."""
        value = self.body.get(name, self.request.query_params.get(name))
        return value if isinstance(value, str) else None

    def part(self, name: str) -> Json:
        """An object of the body; 40002 when it is absent."""
        found = as_dict(self.body.get(name))
        if found is None:
            raise Refused(BAD_PARAMETER, f"{name}: Missing data for required field.")
        return found

    def app(self, key: str, secret: str) -> None:
        """Check key and secret of the app."""
        if self.text(key) != self.tiktok.key or not secrets.compare_digest(self.text(secret), self.tiktok.secret):
            raise Refused(NO_PERMISSION, "The app does not exist or its secret is wrong.")

    def token(self) -> Token:
        """The live access token of the header; 40105 without one."""
        value = self.request.headers.get("access-token", "")
        found = self.tiktok.memory.live(value, self.tiktok.now_ms())
        if found is None:
            raise Refused(BAD_TOKEN)
        return found

    def account(self, scope: str, rate: str | None = None) -> Account:
        """The account of the call, if its token, its scope, its type, its region and its pace allow the call."""
        token = self.token()
        account = self.tiktok.memory.accounts.get(token.account)
        if account is None or self.text("business_id") != account.id:
            raise Refused(NO_PERMISSION, "business_id does not belong to the access token.")
        if scope not in token.scopes:
            raise Refused(NO_PERMISSION, f"The account has not granted {scope}.")
        if account.type != "BUSINESS":
            raise Refused(NO_PERMISSION, "Only Business Accounts are supported.")
        if account.region in EUROPE:
            raise Refused(NO_PERMISSION, "The Business Messaging API is not available in the region of the account.")
        if rate is not None and is_crowded(account, rate, self.tiktok.memory.settings.rate_per_s):
            raise Refused(TOO_FREQUENT)
        return account

    def conversation(self, account: Account, value: object) -> Conversation:
        """The conversation of that id; a blank, which an unescaped plus becomes, makes it invalid."""
        if not isinstance(value, str) or not value or " " in value:
            raise Refused(BAD_PARAMETER, "Param conversation_id is invalid")
        found = account.conversations.get(value)
        if found is None:
            raise Refused(NOT_FOUND, "The conversation does not exist.")
        return found


Handler = Callable[[Call], Awaitable[Json]]
OpOf = Callable[[Json], str]


def envelope(code: int, message: str, data: Mapping[str, object], status: int = 200) -> Response:
    """An answer in the platform's one shape."""
    body = {"code": code, "message": message, "request_id": secrets.token_hex(16).upper(), "data": data}
    return Response(orjson.dumps(body), status, media_type=JSON_TYPE)


async def serve(tiktok: TikTok, request: Request, op_of: OpOf, handler: Handler) -> Response:
    """Read one call, let the fault plan have its way, and answer it."""
    calls = tiktok.run.world.calls
    call = Call(tiktok, request, {}, op_of({}))
    try:
        await _read(call)
    except Refused as refusal:
        calls.count(f"tiktok:{call.op}", str(refusal.code))
        return envelope(refusal.code, refusal.message, {})
    except ClientDisconnect:
        calls.count(f"tiktok:{call.op}", "disconnected")
        raise
    call.op = op_of(call.body)
    account, person = _parties(call)
    rule = tiktok.run.faults.pick(call.op, request.url.path, account, person)
    if rule is not None:
        call.fault = rule.action
        if not rule.accepts:
            calls.count(f"tiktok:{call.op}", f"fault:{rule.action}")
            return await wrong_answer(rule, None, _refuse, IDS)
    try:
        answer, code = envelope(0, "OK", await handler(call)), 0
    except Refused as refusal:
        answer, code = envelope(refusal.code, refusal.message, {}), refusal.code
    if rule is not None and code == 0:
        calls.count(f"tiktok:{call.op}", f"fault:{rule.action}")
        return await wrong_answer(rule, answer, _refuse, IDS)
    calls.count(f"tiktok:{call.op}", str(code))
    return answer


def _refuse(rule: Rule) -> Response:
    given = rule.details.get("body")
    status = whole_or_none(rule.details, "status") or 200
    if given is not None:
        raw = given.encode() if isinstance(given, str) else orjson.dumps(given)
        return Response(raw, status, media_type=JSON_TYPE)
    code = whole_or_none(rule.details, "code") or SYSTEM_ERROR
    return envelope(code, text_or_none(rule.details, "message") or MESSAGES.get(code, "Error"), {}, status)


async def _read(call: Call) -> None:
    raw = await call.request.body()
    if not raw:
        return
    if call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with call.request.form() as form:
            for name, value in form.multi_items():
                if isinstance(value, str):
                    call.body[name] = value
                else:
                    call.files[name] = (value.content_type or "", await value.read())
        return
    try:
        body = as_dict(orjson.loads(raw))
    except orjson.JSONDecodeError:
        body = None
    if body is None:
        raise Refused(BAD_PARAMETER, "The body is not a JSON object.")
    call.body = body


def _parties(call: Call) -> tuple[str | None, str | None]:
    account = call.tiktok.memory.accounts.get(call.maybe("business_id") or "")
    if account is None:
        token = call.tiktok.memory.tokens.get(call.maybe("refresh_token") or call.maybe("access_token") or "")
        return (token.account if token is not None else None), None
    thread = account.conversations.get(call.maybe("recipient") or call.maybe("conversation_id") or "")
    return account.id, thread.person if thread is not None else None
