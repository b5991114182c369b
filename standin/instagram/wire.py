"""The hosts of the direct login, below /instagram: finds what a path means, lets the fault plan have its way, counts."""

from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from standin.errors import GraphError, bad_parameter
from standin.faults import Rule
from standin.graph import APP_USAGE, JSON_TYPE, Call, read_call
from standin.instagram import oauth, reading, sending
from standin.instagram.oauth import TokenRefused
from standin.instagram.posting import Hooks
from standin.instagram.state import FIELDS, THREAD, Studio
from standin.instagram.visit import COMMENTS, MESSAGES, Visit, direct_visit
from standin.jsonish import Json, number_or_none, text_or_none, whole_or_none
from standin.wrong import wrong_answer

PREFIX = "instagram"
IDS = ("message_id", "recipient_id", "id", "user_id", "attachment_id", "access_token")
Handler = Callable[[Visit], Awaitable[Json]]


async def answer(request: Request, studio: Studio, hooks: Hooks) -> Response:
    """Answer one call of graph.instagram.com, api.instagram.com or www.instagram.com."""
    run = studio.run
    try:
        call = await read_call(request, run)
    except GraphError as error:
        run.world.calls.count("instagram:other", error.label())
        return _json(studio, Call(run, request, request.method, [], {}), error.body(), error.status)
    except ClientDisconnect:
        run.world.calls.count("instagram:other", "disconnected")
        raise
    call.segments = _segments(request)
    call.op = _op(call)
    account, person = _parties(studio, call)
    rule = run.faults.pick(call.op, request.url.path, account, person)
    call.fault = rule.action if rule is not None else None
    if rule is not None and not rule.accepts:
        return await _faulty(studio, call, rule, None)
    response, label = await _carry_out(studio, hooks, call)
    if rule is not None and response.status_code < 400:
        return await _faulty(studio, call, rule, response)
    run.world.calls.count(f"instagram:{call.op}", label)
    return response


async def subscribed_apps(visit: Visit) -> Json:
    """POST, GET and DELETE of the account's webhooks to our app."""
    call, account = visit.call, visit.account
    if call.method == "GET":
        row: Json = {"id": visit.studio.app.get("app_id"), "subscribed_fields": sorted(account.fields)}
        return {"data": [row] if account.fields else []}
    if call.method == "DELETE":
        account.fields.clear()
        visit.studio.run.world.note_revocation("subscribed_apps", account.id)
        return {"success": True}
    given = call.params.get("subscribed_fields")
    names = given if isinstance(given, list) else str(given or "").split(",")
    wanted = {str(name).strip() for name in names if str(name).strip()}
    if not wanted or wanted - FIELDS:
        raise bad_parameter("Param subscribed_fields must be an array of the documented fields")
    account.fields, account.failing_since = wanted, None
    return {"success": True}


# Last segment → (operation, scope, handler) by method.
EDGES: dict[str, dict[str, tuple[str, str, Handler]]] = {
    "messages": {
        "POST": ("send", MESSAGES[0], sending.send),
        "GET": ("list", MESSAGES[0], reading.thread_messages),
    },
    "message_attachments": {"POST": ("upload", MESSAGES[0], sending.upload)},
    "conversations": {"GET": ("list", MESSAGES[0], reading.conversations)},
    "media": {"GET": ("list", COMMENTS[0], reading.media)},
    "comments": {"GET": ("list", COMMENTS[0], reading.comments_of_post)},
    "replies": {"POST": ("comment", COMMENTS[0], sending.reply), "GET": ("list", COMMENTS[0], reading.answers)},
    "subscribed_apps": {method: ("subscribe", MESSAGES[0], subscribed_apps) for method in ("GET", "POST", "DELETE")},
}


def _segments(request: Request) -> list[str]:
    segments = [part for part in request.url.path.split("/") if part][1:]
    has_version = bool(segments) and segments[0][:1] == "v" and segments[0][1:2].isdecimal()
    return segments[1:] if has_version else segments


def _op(call: Call) -> str:
    if call.segments in (["oauth", "authorize"], ["oauth", "access_token"], ["access_token"]):
        return "oauth"
    if call.segments == ["refresh_access_token"]:
        return "refresh"
    if len(call.segments) == 2:
        found = EDGES.get(call.segments[1], {}).get(call.method)
        is_signal = found is not None and found[0] == "send" and call.params.get("sender_action") is not None
        return "signal" if is_signal else found[0] if found is not None else "other"
    if call.segments == ["me"]:
        return "accounts"
    is_thing = len(call.segments) == 1 and (call.segments[0].startswith((THREAD, "aWdf")))
    return "list" if is_thing else "profile" if len(call.segments) == 1 else "other"


def _parties(studio: Studio, call: Call) -> tuple[str | None, str | None]:
    token = studio.tokens.get(call.param("access_token") or call.request.headers.get("authorization", "")[7:])
    recipient = call.params.get("recipient")
    person = recipient.get("id") if isinstance(recipient, dict) else None
    return token.account if token is not None else None, None if person is None else str(person)


async def _carry_out(studio: Studio, hooks: Hooks, call: Call) -> tuple[Response, str]:
    try:
        result = await _result(studio, hooks, call)
    except TokenRefused as refused:
        return _json(studio, call, refused.body(), refused.code), f"{refused.code}:{refused.kind}"
    except GraphError as error:
        return _json(studio, call, error.body(), error.status), error.label()
    response = result if isinstance(result, Response) else _json(studio, call, result)
    return response, str(response.status_code)


async def _result(studio: Studio, hooks: Hooks, call: Call) -> Json | Response:
    match call.method, call.segments:
        case "GET" | "POST", ["oauth", "authorize"]:
            return oauth.dialogue(studio, call)
        case "POST", ["oauth", "access_token"]:
            return oauth.exchange(studio, call)
        case "GET", ["access_token"]:
            return oauth.long_lived(studio, call)
        case "GET", ["refresh_access_token"]:
            return oauth.refreshed(studio, call)
        case "GET", [_]:
            return await reading.node(direct_visit(studio, hooks, call, "instagram_business_basic"))
        case method, [_, edge] if method in EDGES.get(edge, {}):
            _, scope, handler = EDGES[edge][method]
            visit = _owned(direct_visit(studio, hooks, call, scope), edge)
            return await (sending.signal if call.op == "signal" else handler)(visit)
        case _:
            shown = "/".join(call.segments)[:200]
            raise GraphError(2500, f"Unknown path components: /{shown}", kind="IGApiException")


def _owned(visit: Visit, edge: str) -> Visit:
    """Edges of an account belong to the token's own one, by either of its ids or as `me`."""
    node = visit.call.segments[0]
    is_of_account = edge not in ("comments", "replies") and not (edge == "messages" and visit.call.method == "GET")
    if is_of_account and node not in ("me", visit.account.id, visit.account.scoped):
        text = f"Unsupported request. Object with ID '{node[:80]}' does not exist or is not visible to this token."
        raise GraphError(100, text, 33, kind="IGApiException")
    return visit


def _json(studio: Studio, call: Call, body: object, status: int = 200, regain_minutes: int | None = None) -> Response:
    """A JSON answer with the usage headers."""
    percent, regain = 1, 0
    if call.throttled or regain_minutes is not None:
        percent = 100
        regain = studio.run.world.config.regain_minutes if regain_minutes is None else regain_minutes
    account, _ = _parties(studio, call)
    usage = {"type": "instagram", "call_count": percent, "total_cputime": 1, "total_time": 1}
    shown = {account or "0": [{**usage, "estimated_time_to_regain_access": regain}]}
    headers = {"X-Business-Use-Case-Usage": orjson.dumps(shown).decode(), "X-App-Usage": APP_USAGE}
    return Response(orjson.dumps(body), status, headers, JSON_TYPE)


async def _faulty(studio: Studio, call: Call, rule: Rule, true_answer: Response | None) -> Response:
    # Counted before the answer: a client that was dropped may ask for the counts at once.
    studio.run.world.calls.count(f"instagram:{call.op}", f"fault:{rule.action}")
    return await wrong_answer(rule, true_answer, lambda chosen: _refused(studio, call, chosen), IDS)


def _refused(studio: Studio, call: Call, rule: Rule) -> Response:
    details = rule.details
    status = whole_or_none(details, "status") or 400
    body = details.get("body")
    if isinstance(body, str):
        return Response(body, status, media_type="text/html")
    message = text_or_none(details, "message") or "An unknown error occurred."
    if body is None and call.segments == ["oauth", "access_token"]:
        body = TokenRefused(message, code=whole_or_none(details, "code") or 400).body()
    if body is None:
        is_transient = details.get("is_transient") is True
        code, subcode = whole_or_none(details, "code") or 1, whole_or_none(details, "subcode")
        body = GraphError(code, message, subcode, kind="IGApiException", is_transient=is_transient).body()
    regain = number_or_none(details, "regain_minutes")
    return _json(studio, call, body, status, None if regain is None else int(regain))
