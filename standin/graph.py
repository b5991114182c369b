"""One Graph call: its parameters, its token, nested `fields`, cursor pages, and the usage headers."""

import base64
import hashlib
import hmac
import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from standin.errors import GraphError, bad_parameter, dead_token, no_permission, object_gone
from standin.jsonish import Json
from standin.ledger import Entry
from standin.runtime import Runtime
from standin.state import Page, Token

JSON_TYPE = "application/json; charset=UTF-8"
SHARES = '{{"call_count":{0},"total_cputime":1,"total_time":1}}'
APP_USAGE = '{"call_count":1,"total_cputime":1,"total_time":1}'
MOST_NESTED = 20
Fields = dict[str, "FieldSpec"]


@dataclass(slots=True)
class FieldSpec:
    """One requested field with its own limit and its nested fields."""

    limit: int | None = None
    nested: Fields = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """A call on its way. `entry` is set once a message was accepted, `fault` when the plan has chosen one."""

    run: Runtime
    request: Request
    method: str
    segments: list[str]
    params: Json
    op: str = "other"
    fault: str | None = None
    entry: Entry | None = None
    page: Page | None = None
    throttled: bool = False

    def param(self, name: str) -> str | None:
        """A parameter as text; None when it is absent."""
        value = self.params.get(name)
        if value is None or isinstance(value, dict | list):
            return None
        return str(value)

    def need(self, name: str) -> str:
        """A parameter as text; error 100 when it is absent."""
        value = self.param(name)
        if not value:
            raise bad_parameter(f"The parameter {name} is required.")
        return value

    def limit(self, default: int = 25, most: int = 100) -> int:
        """The page size asked for."""
        value = self.param("limit")
        if value is None:
            return default
        if not value.isdecimal() or int(value) < 1:
            raise bad_parameter("param limit must be a positive integer.")
        return min(int(value), most)

    def fields(self, default: str) -> Fields:
        """The requested fields."""
        return parse_fields(self.param("fields") or default)


async def read_call(request: Request, run: Runtime) -> Call:
    """Collect query and body. A body that is no JSON object and no form is error 100; `ClientDisconnect` when it ends early."""
    params: Json = dict(parse_qsl(request.url.query, keep_blank_values=True))
    raw = await request.body()
    if raw:
        params.update(_body_params(raw, request.headers.get("content-type", "")))
    return Call(run, request, request.method, segments_of(request), params)


def segments_of(request: Request) -> list[str]:
    """The parts of the path without the version."""
    segments = [part for part in request.url.path.split("/") if part]
    has_version = bool(segments) and segments[0][:1] == "v" and segments[0][1:2].isdecimal()
    return segments[1:] if has_version else segments


def _body_params(raw: bytes, content_type: str) -> Json:
    if content_type.startswith("application/json"):
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise bad_parameter("The request body is not valid JSON.") from None
        if not isinstance(body, dict):
            raise bad_parameter("The request body must be an object.")
        return body
    params: Json = {}
    for name, value in parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True):
        params[name] = value
        if value[:1] in ("{", "["):
            try:
                params[name] = orjson.loads(value)
            except orjson.JSONDecodeError:
                raise bad_parameter(f"param {name} must be valid JSON.") from None
    return params


def token_of(call: Call) -> Token:
    """The live token of the call; error 104 without one, 190 for a dead one, 100 for a wrong proof."""
    value = raw_token(call)
    if value is None:
        raise GraphError(104, "(#104) An access token is required to request this resource.", status=401)
    token = live_token(call.run, value)
    _check_proof(call, value)
    return token


def raw_token(call: Call) -> str | None:
    """The token text of parameter or header, unchecked."""
    value = call.param("access_token")
    if value:
        return value
    header = call.request.headers.get("authorization", "")
    return header[7:].strip() if header[:7].lower() == "bearer " else None


def live_token(run: Runtime, value: str) -> Token:
    """The token if it works now, else error 190 with the subcode of its death."""
    token = run.world.tokens.get(value)
    if token is None:
        raise dead_token(None)
    if token.dead is not None:
        raise dead_token(token.dead)
    if token.expires_s and token.expires_s * 1000 <= run.world.now_ms():
        raise dead_token(463)
    return token


def _check_proof(call: Call, value: str) -> None:
    proof = call.param("appsecret_proof")
    config = call.run.world.config
    if proof is None:
        if config.require_appsecret_proof:
            raise GraphError(
                100, "API calls from the server require an appsecret_proof argument", kind="GraphMethodException"
            )
        return
    expected = hmac.new(config.app_secret.encode(), value.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), proof.encode()):
        raise GraphError(100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException")


def need_scope(call: Call, token: Token, *scopes: str, subcode: int | None = None) -> None:
    """Error 200 unless the token has one of the scopes."""
    if call.run.world.config.enforce_scopes and not any(token.has_scope(scope) for scope in scopes):
        raise no_permission(f"Requires {' or '.join(scopes)} permission to manage the object", subcode)


def user_token(call: Call) -> Token:
    """A user token; page tokens are refused."""
    token = token_of(call)
    if token.kind != "USER":
        raise bad_parameter("Tried accessing nonexisting field on node type (Page)")
    return token


def page_of(call: Call) -> tuple[Page, Token]:
    """The page of the path and its page token; `me` is the token's page."""
    token = token_of(call)
    if token.kind != "PAGE" or token.page is None:
        raise GraphError(210, "(#210) A page access token is required to request this resource.")
    node = call.segments[0]
    world = call.run.world
    if node not in ("me", token.page):
        raise no_permission("The page does not belong to this token.") if node in world.pages else object_gone(node)
    page = world.pages.get(token.page)
    if page is None:
        raise object_gone(node)
    if not token.may_use(page.id):
        raise no_permission("The person did not grant this page to the app.")
    call.page = page
    return page, token


def throttle(call: Call, page: Page, kind: str, most: int, window_s: float = 1.0) -> None:
    """Count the call in the page's sliding window; the throttling error when it is full. `most` 0 means no limit."""
    if most <= 0:
        return
    now = time.monotonic()
    window = page.windows.setdefault(kind, deque())
    while window and now - window[0] >= window_s:
        window.popleft()
    if len(window) >= most:
        call.throttled = True
        code = call.run.world.config.throttle_code
        raise GraphError(code, f"(#{code}) There have been too many calls from this page. Wait a bit and try again.")
    window.append(now)


def parse_fields(text: str) -> Fields:
    """`id,messages.limit(5){id,message}` as a tree; error 2500 for unbalanced braces."""
    if text.count("{") > MOST_NESTED:
        raise GraphError(2500, "The fields parameter is nested too deeply.")
    found, rest = _parse_level(text, 0)
    if rest != len(text):
        raise GraphError(2500, "Syntax error in the fields parameter.")
    return found


def _parse_level(text: str, at: int) -> tuple[Fields, int]:
    found: Fields = {}
    word = ""
    nested: Fields = {}
    while at <= len(text):
        char = text[at] if at < len(text) else ","
        if char == "{":
            nested, at = _parse_level(text, at + 1)
            if at >= len(text):
                raise GraphError(2500, "Syntax error in the fields parameter.")
        elif char in ",}":
            if word.strip():
                name, limit = _name_and_limit(word.strip())
                found[name] = FieldSpec(limit, nested)
            word, nested = "", {}
            if char == "}" or at >= len(text):
                return found, at
        else:
            word += char
        at += 1
    return found, len(text)


def _name_and_limit(word: str) -> tuple[str, int | None]:
    """Other modifiers, as `.order(reverse_chronological)`, are taken and change nothing."""
    name, _, modifiers = word.partition(".")
    limit = re.search(r"(?:^|\.)limit\((\d{1,6})\)", modifiers, re.ASCII)
    return name, int(limit.group(1)) if limit else None


def choose(node: Json, wanted: Fields) -> Json:
    """Only the wanted keys, and always `id`, as Graph does."""
    return {key: value for key, value in node.items() if key in wanted or key == "id"}


def cursor_page(call: Call, rows: Sequence[tuple[str, Json]], limit: int) -> Json:
    """The slice after the `after` cursor. `rows` are pairs of a stable key and the row."""
    start = 0
    after = call.param("after")
    if after is not None:
        key = _uncursor(after)
        start = next((index + 1 for index, row in enumerate(rows) if row[0] == key), -1)
        if start < 0:
            raise bad_parameter("Invalid cursors values.")
    chosen = rows[start : start + limit]
    answer: Json = {"data": [row for _, row in chosen]}
    if chosen:
        paging: Json = {"cursors": {"before": _cursor(chosen[0][0]), "after": _cursor(chosen[-1][0])}}
        if start + limit < len(rows):
            query = {key: value for key, value in call.params.items() if isinstance(value, str)}
            query |= {"limit": str(limit), "after": _cursor(chosen[-1][0])}
            paging["next"] = f"{str(call.request.url).partition('?')[0]}?{urlencode(query)}"
        answer["paging"] = paging
    return answer


def nested_list(rows: Sequence[tuple[str, Json]], limit: int) -> Json:
    """A list inside of a node: its first rows, and that it goes on where it does."""
    answer: Json = {"data": [row for _, row in rows[:limit]]}
    if rows:
        cursors = {"before": _cursor(rows[0][0]), "after": _cursor(rows[:limit][-1][0])}
        answer["paging"] = {"cursors": cursors} | ({"next": "https://graph.example/next"} if len(rows) > limit else {})
    return answer


def _cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _uncursor(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError:
        raise bad_parameter("Invalid cursors values.") from None


def graph_time(ms: int) -> str:
    """Unix milliseconds in Graph's text form, in UTC and whole seconds."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def respond(call: Call, body: object, status: int = 200, regain_minutes: int | None = None) -> Response:
    """A JSON answer with the usage headers."""
    config = call.run.world.config
    percent, regain = config.page_percent, 0
    if call.throttled or regain_minutes is not None:
        percent, regain = 100, config.regain_minutes if regain_minutes is None else regain_minutes
    page = call.page
    key = page.business or page.id if page is not None else config.app_id
    usage = (
        f'{{"{key}":[{{"type":"messenger","call_count":{percent},"total_cputime":1,"total_time":1,'
        f'"estimated_time_to_regain_access":{regain}}}]}}'
    )
    headers = {
        "X-Business-Use-Case-Usage": usage,
        "X-App-Usage": SHARES.format(config.app_percent),
        "Facebook-API-Version": "v25.0",
    }
    if page is not None:
        headers["X-Page-Usage"] = SHARES.format(percent)
    return Response(orjson.dumps(body), status, headers, JSON_TYPE)
