"""The control API: how tests and the demo set up the world, act in it, break it and look at it."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standin import control_people, control_setup, control_webhooks, templates
from standin.controlling import UnknownId, an_object, route
from standin.jsonish import (
    BadBody,
    Json,
    number_or_none,
    objects,
    text,
    text_or_none,
    texts,
    whole_or_none,
)
from standin.runtime import Runtime
from standin.state import Page

Answer = Json | Response
Endpoint = Callable[[Request], Awaitable[Response]]
Work = Callable[[Runtime, Request, object], Awaitable[Answer]]


def control_routes(run: Runtime) -> list[Route]:
    """All routes under /control."""
    return [
        _route(run, "/health", _health, "GET"),
        _route(run, "/app", _show_app, "GET"),
        _route(run, "/app", _set_app, "POST"),
        _route(run, "/app/subscribe", control_webhooks.handshake, "POST"),
        _route(run, "/people", _people, "POST"),
        _route(run, "/people/{person}/{deed}", _person_deed, "POST"),
        _route(run, "/businesses", _businesses, "POST"),
        _route(run, "/pages", _pages, "POST"),
        _route(run, "/pages/{page}", _show_page, "GET"),
        _route(run, "/pages/{page}/templates", _templates, "POST"),
        _route(run, "/pages/{page}/{deed}", _page_deed, "POST"),
        _route(run, "/customers", _customers, "POST"),
        _route(run, "/customers/{page}/{psid}", _show_customer, "GET"),
        _route(run, "/customers/{page}/{psid}/{deed}", _customer_deed, "POST"),
        _route(run, "/webhooks", control_webhooks.posts, "GET"),
        _route(run, "/webhooks/replay", control_webhooks.replay, "POST"),
        _route(run, "/faults", _show_faults, "GET"),
        _route(run, "/faults", _set_faults, "PUT"),
        _route(run, "/faults", _clear_faults, "DELETE"),
        _route(run, "/ledger", _ledger, "GET"),
        _route(run, "/ledger/summary", _summary, "GET"),
        _route(run, "/calls", _calls, "GET"),
        _route(run, "/revocations", _revocations, "GET"),
        _route(run, "/clock", _show_clock, "GET"),
        _route(run, "/clock", _set_clock, "POST"),
        _route(run, "/reset", _reset, "POST"),
        _route(run, "/settled", _settled, "GET"),
    ]


def _route(run: Runtime, path: str, work: Work, method: str) -> Route:
    async def bound(request: Request, body: object) -> object:
        return await work(run, request, body)

    return route(path, bound, method)


def _page_of(run: Runtime, request: Request) -> Page:
    page = run.world.pages.get(request.path_params["page"])
    if page is None:
        raise UnknownId(f"unknown page {request.path_params['page']}")
    return page


async def _health(run: Runtime, _request: Request, _body: object) -> Answer:
    return {"ok": True, "app_id": run.world.config.app_id}


async def _show_app(run: Runtime, _request: Request, _body: object) -> Answer:
    return run.world.config.shown()


async def _set_app(run: Runtime, _request: Request, body: object) -> Answer:
    run.world.config.apply(an_object(body))
    return run.world.config.shown()


async def _people(run: Runtime, _request: Request, body: object) -> Answer:
    return control_setup.add_people(run.world, body)


async def _person_deed(run: Runtime, request: Request, body: object) -> Answer:
    person = run.world.people.get(request.path_params["person"])
    if person is None:
        raise UnknownId(f"unknown person {request.path_params['person']}")
    return await control_people.person_deed(run, request, person, body)


async def _templates(run: Runtime, request: Request, body: object) -> Answer:
    """Put utility templates into a page's registry; a status that changes is told by webhook."""
    page, rows = _page_of(run, request), []
    for item in objects(body):
        name, language = text(item, "name"), text(item, "language", "en")
        status = text(item, "status", "APPROVED")
        if status not in templates.STATUSES:
            raise BadBody(f"status must be one of {', '.join(templates.STATUSES)}")
        old = templates.find(run.world, page.id, name, language)
        was, words = (old.status, old.body) if old is not None else (None, "")
        made = templates.add(run.world, page, name, language, text(item, "body", words), status)
        rows.append({"id": made.id, "name": name, "status": status})
        if was is not None and was != status:
            told: Json = {"event": status, "message_template_id": made.id, "message_template_name": name}
            told["message_template_language"] = language
            run.webhooks.emit(page, "messenger_template_status_update", told)
    return {"templates": rows}


async def _businesses(run: Runtime, _request: Request, body: object) -> Answer:
    return control_setup.add_businesses(run.world, body)


async def _pages(run: Runtime, _request: Request, body: object) -> Answer:
    return control_setup.add_pages(run.world, body)


async def _customers(run: Runtime, _request: Request, body: object) -> Answer:
    return control_setup.add_customers(run.world, body)


async def _show_page(run: Runtime, request: Request, _body: object) -> Answer:
    page = _page_of(run, request)
    token = run.world.control_token(page)
    return {
        "id": page.id,
        "name": page.name,
        "access_token": token.value,
        "subscribed_fields": sorted(page.fields),
        "is_restricted": page.is_restricted,
        "customers": len(page.customers),
    }


async def _page_deed(run: Runtime, request: Request, body: object) -> Answer:
    page, given = _page_of(run, request), an_object(body)
    match request.path_params["deed"]:
        case "expire_token":
            return {"tokens": _kill_tokens(run, page, 463)}
        case "revoke":
            return {"tokens": _kill_tokens(run, page, whole_or_none(given, "subcode") or 460)}
        case "restrict":
            page.is_restricted = given.get("on", True) is True
            return {"is_restricted": page.is_restricted}
        case "subscribe":
            page.fields = set(texts(given, "fields")) or control_setup.subscribed(True)
            page.failing_since = None
            return {"subscribed_fields": sorted(page.fields)}
        case "unsubscribe":
            page.fields.clear()
            return {"subscribed_fields": []}
        case "policy" | "events" as deed:
            return control_webhooks.page_events(run, page, deed, given)
        case other:
            raise UnknownId(f"unknown deed {other}")


def _kill_tokens(run: Runtime, page: Page, subcode: int) -> int:
    killed = [token for token in run.world.tokens.values() if token.page == page.id and token.dead is None]
    for token in killed:
        token.dead = subcode
    return len(killed)


async def _show_customer(run: Runtime, request: Request, _body: object) -> Answer:
    page = _page_of(run, request)
    customer = page.customers.get(request.path_params["psid"])
    if customer is None:
        raise UnknownId("unknown customer")
    tokens = [
        {"token": item.value, "is_stopped": item.is_stopped, "title": item.title}
        for item in run.world.optins.values()
        if (item.page, item.psid) == (page.id, customer.psid)
    ]
    return {
        "page": page.id,
        "psid": customer.psid,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "last_action_ms": customer.last_action_ms,
        "is_blocked": customer.is_blocked,
        "owner_app": customer.owner_app,
        "signals": customer.signals,
        "tokens": tokens,
        "messages": [asdict(message) for message in customer.messages],
    }


async def _customer_deed(run: Runtime, request: Request, body: object) -> Answer:
    page = _page_of(run, request)
    silent = request.query_params.get("silent") in ("1", "true")
    return run.phone.do(page, request.path_params["psid"], request.path_params["deed"], an_object(body), silent)


async def _show_faults(run: Runtime, _request: Request, _body: object) -> Answer:
    return run.faults.shown()


async def _set_faults(run: Runtime, _request: Request, body: object) -> Answer:
    run.faults.load(an_object(body))
    return run.faults.shown()


async def _clear_faults(run: Runtime, _request: Request, _body: object) -> Answer:
    run.faults.clear()
    return run.faults.shown()


async def _ledger(run: Runtime, request: Request, _body: object) -> Answer:
    query: Json = dict(request.query_params)
    since, limit = _digits(query, "since"), _digits(query, "limit")
    entries = run.world.ledger.since(since or 0, text_or_none(query, "page"), limit)
    return {"entries": [asdict(entry) for entry in entries], "last_seq": run.world.ledger.next_seq() - 1}


def _digits(query: Json, key: str) -> int | None:
    value = text_or_none(query, key)
    if value is not None and not value.isdecimal():
        raise BadBody(f"{key} must be a number")
    return None if value is None else int(value)


async def _summary(run: Runtime, request: Request, _body: object) -> Answer:
    return run.world.ledger.summary(request.query_params.get("page"))


async def _revocations(run: Runtime, _request: Request, _body: object) -> Answer:
    return {"entries": run.world.revocations}


async def _calls(run: Runtime, _request: Request, _body: object) -> Answer:
    return run.world.calls.shown()


async def _show_clock(run: Runtime, _request: Request, _body: object) -> Answer:
    world = run.world
    return {"offset_s": world.offset_ms / 1000, "now_ms": world.now_ms(), "held": world.held_ms is not None}


async def _set_clock(run: Runtime, request: Request, body: object) -> Answer:
    given = an_object(body)
    run.world.offset_ms = int((number_or_none(given, "offset_s") or 0.0) * 1000)
    run.world.hold_clock(given.get("held") is True)
    return await _show_clock(run, request, body)


async def _reset(run: Runtime, _request: Request, body: object) -> Answer:
    run.reset(keep_app=an_object(body).get("keep_app", True) is True)
    return {"ok": True}


async def _settled(run: Runtime, _request: Request, _body: object) -> Answer:
    return {"pending_webhooks": run.pending, "pending_receipts": run.receipts.pending}
