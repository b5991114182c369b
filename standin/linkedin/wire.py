"""One call of LinkedIn's API: its token, its headers, its limits, its errors, and the fault plan."""

import json
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from standin.faults import Rule
from standin.jsonish import Json, as_dict, text_or_none, whole_or_none
from standin.ledger import Entry
from standin.linkedin.state import DAY_MS, NAME, Network, Token
from standin.wrong import wrong_answer

JSON_TYPE = "application/json"
IDS = ("id", "$URN", "commentUrn", "access_token")
OLDER_NAMES = {
    "r_organization_social_feed": "r_organization_social",
    "w_organization_social_feed": "w_organization_social",
}


class Refusal(Exception):
    """An error answer: flat, with LinkedIn's own codes beside the status."""

    def __init__(self, status: int, message: str, code: str, service_code: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.service_code = service_code

    def body(self) -> Json:
        """The body of the answer."""
        return {
            "message": self.message,
            "serviceErrorCode": self.service_code,
            "status": self.status,
            "code": self.code,
        }


@dataclass(slots=True)
class Call:
    """A call on its way. `after` runs when the answer is decided, before or after it left."""

    net: Network
    request: Request
    body: object
    op: str
    fault: str | None = None
    entry: Entry | None = None
    query: dict[str, str] = field(default_factory=dict)

    def segment(self, name: str) -> str:
        """A part of the path, decoded; a URN in it must have come percent-encoded."""
        raw = self.request.scope.get("raw_path", b"").decode("latin-1")
        value: str = self.request.path_params[name]
        if ":" in value and value in raw:
            raise Refusal(400, f"Invalid resource key: {value[:80]}", "ILLEGAL_ARGUMENT")
        return value

    def param(self, name: str) -> str:
        """A parameter of the query, still encoded; 400 when it is missing."""
        value = self.query.get(name)
        if not value:
            raise Refusal(400, f"Query parameter {name} is required", "PARAM_MISSING")
        return value

    def object(self) -> Json:
        """The JSON object of the body; 400 for anything else."""
        found = as_dict(self.body)
        if found is None:
            raise Refusal(400, "Could not parse the request body as a JSON object", "INVALID_VALUE")
        return found

    def page_range(self) -> tuple[int, int]:
        """`start` and `count` of a list."""
        start, count = self.query.get("start", "0"), self.query.get("count", "10")
        if not (start.isdecimal() and count.isdecimal()):
            raise Refusal(400, "start and count must be numbers", "INVALID_VALUE")
        return int(start), max(1, min(int(count), 100))


Work = Callable[[Call], Awaitable[Response]]
Parties = Callable[[Call], tuple[str | None, str | None]]


async def serve(net: Network, request: Request, op: str, work: Work, parties: Parties) -> Response:
    """Carry one call out, or answer wrongly as the fault plan wants."""
    world = net.run.world
    try:
        raw = await request.body()
    except ClientDisconnect:
        world.calls.count(f"{NAME}:{op}", "disconnected")
        raise
    call = Call(net, request, decoded(raw), op, query=queried(request))
    page, person = parties(call)
    rule = net.run.faults.pick(op, request.url.path, page, person)
    if rule is not None:
        call.fault = rule.action
        if not rule.accepts:
            return await faulty(call, rule, None)
    answer = await carried_out(call, work)
    if rule is not None and answer.status_code < 400:
        return await faulty(call, rule, answer)
    world.calls.count(f"{NAME}:{op}", str(answer.status_code))
    return answer


async def carried_out(call: Call, work: Work) -> Response:
    """The true answer: a Refusal becomes its flat body."""
    try:
        return await work(call)
    except Refusal as refusal:
        return respond(refusal.body(), refusal.status)


async def faulty(call: Call, rule: Rule, true_answer: Response | None) -> Response:
    """The wrong answer of a rule, counted before it leaves."""
    call.net.run.world.calls.count(f"{NAME}:{call.op}", f"fault:{rule.action}")
    return await wrong_answer(rule, true_answer, refuse, IDS)


def refuse(rule: Rule) -> Response:
    """An error as the rule describes it, in LinkedIn's shape."""
    details = rule.details
    status = whole_or_none(details, "status") or 400
    body = details.get("body")
    if isinstance(body, str):
        return Response(body, status, media_type="text/html")
    message = text_or_none(details, "message") or "An error occurred"
    refusal = Refusal(status, message, "ERROR", whole_or_none(details, "code") or 0)
    return respond(refusal.body() if body is None else body, status)


def respond(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer with LinkedIn's trace headers; None has no body."""
    traced = {"x-li-uuid": secrets.token_urlsafe(12), "x-li-request-id": str(uuid.uuid4()), **(headers or {})}
    if body is None:
        return Response(b"", status, traced)
    return Response(orjson.dumps(body), status, traced, JSON_TYPE)


def listed(rows: list[Json], call: Call) -> Response:
    """A slice of a list, with its paging."""
    start, count = call.page_range()
    links: list[Json] = []
    if start + count < len(rows):
        href = f"{call.request.url.path}?start={start + count}&count={count}"
        links.append({"rel": "next", "href": href, "type": "application/json"})
    paging = {"start": start, "count": count, "total": len(rows), "links": links}
    return respond({"elements": rows[start : start + count], "paging": paging})


def authorized(call: Call) -> Token:
    """The live access token of the call, its headers checked and the call counted; 401, 400, 426 or 429 otherwise."""
    token = _live(call)
    if "/rest/" in call.request.url.path:
        _check_headers(call)
    _count(call.net, token.person)
    return token


def need_scope(token: Token, scope: str) -> None:
    """403 unless the grant has the scope, under its present or its older name."""
    if scope not in token.scopes and OLDER_NAMES.get(scope) not in token.scopes:
        raise denied(f"Not enough permissions to access: {scope}")


def denied(message: str) -> Refusal:
    """What a missing scope or role is answered with."""
    return Refusal(403, message, "ACCESS_DENIED", 100)


def decoded(raw: bytes) -> object:
    """The body as JSON, None when there is none; what is not JSON stays bytes."""
    if not raw:
        return None
    try:
        found: object = json.loads(raw)
    except ValueError:
        return raw
    return found


def queried(request: Request) -> dict[str, str]:
    """The query, values still encoded: Rest.li's brackets are structure only when they came as they are."""
    raw = request.scope.get("query_string", b"").decode("latin-1")
    pairs = (part.partition("=") for part in raw.split("&") if part)
    return {name: value for name, _, value in pairs}


def rest_list(value: str) -> list[str]:
    """The items of `List(a,b)`; 400 when its structure is encoded or missing."""
    if not (value.startswith("List(") and value.endswith(")")):
        raise Refusal(400, "A list must be written as List(…) in Rest.li 2.0", "INVALID_VALUE")
    return [unquote(item) for item in value[5:-1].split(",") if item]


def rest_record(value: str) -> dict[str, str]:
    """The parts of `(a:1,b:2)`; values must be encoded, so that a colon in one of them is refused."""
    if not (value.startswith("(") and value.endswith(")")):
        raise Refusal(400, "A compound key must be written as (name:value,…) in Rest.li 2.0", "INVALID_VALUE")
    found: dict[str, str] = {}
    for part in value[1:-1].split(","):
        name, _, inner = part.partition(":")
        if ":" in inner:
            raise Refusal(400, f"The value of {name[:40]} is not percent-encoded", "INVALID_VALUE")
        found[name] = unquote(inner)
    return found


def _live(call: Call) -> Token:
    header = call.request.headers.get("authorization", "")
    if header[:7].lower() != "bearer ":
        raise Refusal(401, "Empty oauth2 access token", "EMPTY_ACCESS_TOKEN", 65604)
    token = call.net.kept.tokens.get(header[7:].strip())
    if token is None or token.kind != "access":
        raise Refusal(401, "Invalid access token", "INVALID_ACCESS_TOKEN", 65600)
    if token.dead is not None:
        raise Refusal(401, "The token used in the request has been revoked by the user", token.dead, 65601)
    if token.expires_ms <= call.net.now_ms():
        raise Refusal(401, "The token used in the request has expired", "EXPIRED_ACCESS_TOKEN", 65602)
    return token


def _check_headers(call: Call) -> None:
    headers, allowed = call.request.headers, call.net.settings.versions
    version = headers.get("linkedin-version", "")
    if not (len(version) == 6 and version.isdecimal()):
        raise Refusal(400, "A version must be present. Please specify a version", "VERSION_MISSING")
    if allowed and version not in allowed:
        raise Refusal(426, f"Requested version {version} is not active", "NONEXISTENT_VERSION")
    if headers.get("x-restli-protocol-version") != "2.0.0":
        raise Refusal(400, "Protocol version 2.0.0 is required for this resource", "INVALID_VALUE")


def _count(net: Network, person: str) -> None:
    """Count a call of the member and of the app; 429 until midnight UTC when a day's allowance is used up."""
    day = net.now_ms() // DAY_MS
    for who, words, limit in zip((person, ""), ("MEMBER", "APPLICATION"), net.settings.day_limits(), strict=True):
        if limit and net.spent[day, who] >= limit:
            message = f"Resource level throttle {words} DAY limit for calls to this resource is reached."
            raise Refusal(429, message, "TOO_MANY_REQUESTS", 101)
    net.spent[day, person] += 1
    net.spent[day, ""] += 1
