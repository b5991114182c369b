"""Finds what a Graph path means, lets the fault plan have its way, and turns refusals into Meta's error bodies."""

from collections.abc import Awaitable, Callable, Container

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from standin import accounts, comments, conversations, marketing, oauth, send_api, templates
from standin.answers import faulty
from standin.errors import GraphError, object_gone
from standin.faults import Rule
from standin.graph import Call, raw_token, read_call, respond, segments_of
from standin.instagram import pages as instagram
from standin.jsonish import Json, as_dict
from standin.runtime import Runtime
from standin.state import World

Handler = Callable[[Call], Awaitable["Json | Response"]]
Route = tuple[str, Handler]

FIXED: dict[tuple[str, ...], dict[str, Route]] = {
    ("dialog", "oauth"): {"GET": ("oauth", oauth.dialogue), "POST": ("oauth", oauth.dialogue)},
    ("oauth", "access_token"): {"GET": ("oauth", oauth.access_token), "POST": ("oauth", oauth.access_token)},
    ("debug_token",): {"GET": ("debug_token", oauth.debug_token)},
    ("me",): {"GET": ("accounts", accounts.me)},
    ("me", "accounts"): {"GET": ("accounts", accounts.pages_of_person)},
    ("me", "businesses"): {"GET": ("accounts", accounts.businesses)},
    ("me", "adaccounts"): {"GET": ("accounts", accounts.ad_accounts)},
    ("message_template_library",): {"GET": ("templates", templates.library)},
}
EDGES: dict[str, dict[str, Route]] = {
    "messages": {"POST": ("send", send_api.send), "GET": ("list", conversations.thread_messages)},
    "message_attachments": {"POST": ("upload", send_api.upload)},
    "conversations": {"GET": ("list", conversations.conversations)},
    "feed": {"GET": ("list", comments.feed)},
    "comments": {"POST": ("comment", comments.reply), "GET": ("list", comments.of_post)},
    "message_templates": {
        "GET": ("templates", templates.page_templates),
        "POST": ("templates", templates.page_templates),
    },
    "accounts": {"GET": ("accounts", accounts.pages_of_person)},
    "owned_pages": {"GET": ("accounts", accounts.pages_of_business)},
    "client_pages": {"GET": ("accounts", accounts.pages_of_business)},
    "permissions": {"GET": ("oauth", oauth.permissions), "DELETE": ("oauth", oauth.permissions)},
    "subscribed_apps": {
        "GET": ("subscribe", accounts.subscribed_apps),
        "POST": ("subscribe", accounts.subscribed_apps),
        "DELETE": ("subscribe", accounts.subscribed_apps),
    },
    "notification_message_tokens": {"GET": ("tokens", marketing.tokens)},
    "message_campaign": {"POST": ("campaign", marketing.create_campaign)},
    "insights": {"GET": ("insights", marketing.insights)},
}
MARKETING_SEND: Route = ("marketing_send", marketing.send)


async def graph(request: Request, run: Runtime) -> Response:
    """Answer one Graph call."""
    op = "other"
    try:
        call = await read_call(request, run)
        op, handler = route_of(call)
        if op == "send" and call.params.get("sender_action") is not None:
            op = "signal"
        call.op = op
    except GraphError as error:
        run.world.calls.count(op, error.label())
        return respond(Call(run, request, request.method, [], {}), error.body(), error.status)
    except ClientDisconnect:
        run.world.calls.count(_op_of_path(request, run), "disconnected")
        raise
    page, person = _parties(call)
    rule = run.faults.pick(op, request.url.path, page, person)
    if rule is not None:
        call.fault = rule.action
        if not rule.accepts:
            return await _faulty(call, rule, None)
    answer, label = await _carry_out(call, handler)
    if rule is not None and answer.status_code < 400:
        return await _faulty(call, rule, answer)
    run.world.calls.count(op, label)
    return answer


def _op_of_path(request: Request, run: Runtime) -> str:
    try:
        return route_of(Call(run, request, request.method, segments_of(request), {}))[0]
    except GraphError:
        return "other"


def route_of(call: Call) -> Route:
    """The operation and its handler; error 100/33 or 2500 when there is none."""
    if (of_instagram := instagram.route_of(call)) is not None:
        return of_instagram
    segments = call.segments
    methods = FIXED.get(tuple(segments))
    if methods is None and len(segments) == 2:
        methods = _edge(segments)
    if methods is None and len(segments) == 3 and segments[1] == "permissions":
        methods = EDGES["permissions"]
    if methods is None and len(segments) == 1:
        methods = _node(call.run.world, segments[0])
    if methods is None:
        raise GraphError(2500, f"Unknown path components: /{'/'.join(segments)[:200]}", kind="OAuthException")
    route = methods.get(call.method)
    if route is None:
        raise GraphError(100, "Unsupported method for this path.", 33, kind="GraphMethodException")
    return route


def _edge(segments: list[str]) -> dict[str, Route] | None:
    if segments[0].startswith("act_") and segments[1] == "messages":
        return {"POST": MARKETING_SEND}
    return EDGES.get(segments[1])


def _node(world: World, node: str) -> dict[str, Route]:
    known: tuple[tuple[Container[str], Route], ...] = (
        (world.pages, ("accounts", accounts.page_node)),
        (world.ad_accounts, ("accounts", accounts.ad_account_node)),
        (world.campaigns, ("campaign", marketing.campaign_node)),
        (world.optins, ("tokens", marketing.token_node)),
        (world.messages, ("list", conversations.message_node)),
        (world.templates, ("templates", templates.template_node)),
    )
    for ids, route in known:
        if node in ids:
            return {"GET": route}
    if node.startswith("t_"):
        return {"GET": ("list", conversations.thread_node)}
    if node.isdecimal():
        return {"GET": ("profile", conversations.profile)}
    raise object_gone(node)


def _parties(call: Call) -> tuple[str | None, str | None]:
    world = call.run.world
    if call.op == "marketing_send":
        delivery = as_dict(call.params.get("messenger_delivery_data")) or {}
        optin = world.optins.get(str(delivery.get("subscription_token")))
        return (optin.page, optin.psid) if optin is not None else (None, None)
    page = instagram.party_of(call) or (call.segments[0] if call.segments[0] in world.pages else None)
    if page is None:
        token = world.tokens.get(raw_token(call) or "")
        page = token.page if token is not None else None
    if call.op == "profile":
        return page, call.segments[0]
    if call.op == "comment" and call.segments[0] in world.comments:
        return page, world.comments[call.segments[0]].psid
    recipient = as_dict(call.params.get("recipient")) or {}
    person = recipient.get("id")
    return page, None if person is None else str(person)


async def _carry_out(call: Call, handler: Handler) -> tuple[Response, str]:
    try:
        result = await handler(call)
    except GraphError as error:
        return respond(call, error.body(), error.status), error.label()
    answer = result if isinstance(result, Response) else respond(call, result)
    return answer, str(answer.status_code)


async def _faulty(call: Call, rule: Rule, true_answer: Response | None) -> Response:
    # Counted before the answer: a client that was dropped may ask for the counts at once.
    call.run.world.calls.count(call.op, f"fault:{rule.action}")
    return await faulty(call, rule, true_answer)
