"""A page in the browser that shows a thread from the customer's side and lets a person write as the customer."""

from html import escape
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from standin.graph import graph_time
from standin.plugin import Plugin
from standin.runtime import Runtime
from standin.state import Message

STYLE = (
    "body{font:16px system-ui;max-width:32rem;margin:2rem auto;padding:0 1rem}p{padding:.5rem .8rem;border-radius:1rem;"
    "width:fit-content;max-width:80%;white-space:pre-wrap}.me{background:#0a7cff;color:#fff;margin-left:auto}"
    ".page{background:#eee}small{opacity:.7}form{display:flex;gap:.5rem}input{flex:1;font:inherit;padding:.4rem}"
)
MOST_LINKS = 200
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="#0a7cff"/>'
    '<text x="32" y="42" font-size="28" text-anchor="middle" fill="#fff">{letter}</text></svg>'
)


def phone_routes(run: Runtime) -> list[Route]:
    """GET shows, POST writes; `/phone` lists the threads of all platforms, and the pictures of profiles are drawn."""

    async def index(_request: Request) -> Response:
        return HTMLResponse(_html("Phones", _links(run)))

    async def picture(request: Request) -> Response:
        letter = escape(request.path_params["psid"][-1:].upper())
        return Response(PICTURE.format(letter=letter), media_type="image/svg+xml")

    async def show(request: Request) -> Response:
        page = run.world.pages.get(request.path_params["page"])
        if page is None:
            return _unknown()
        customer = run.world.customer(page, request.path_params["psid"])
        return HTMLResponse(_thread(page.name, customer.name, "".join(_line(message) for message in customer.messages)))

    async def write(request: Request) -> Response:
        page = run.world.pages.get(request.path_params["page"])
        if page is None:
            return _unknown()
        psid = request.path_params["psid"]
        words = await _words(request)
        if words:
            run.phone.do(page, psid, "message", {"text": words}, silent=False)
        return RedirectResponse(f"/phone/{quote(page.id, safe='')}/{quote(psid, safe='')}", 303)

    path = "/phone/{page}/{psid}"
    return [
        Route("/phone", index, methods=["GET"]),
        Route(path, show, methods=["GET"]),
        Route(path, write, methods=["POST"]),
        *_other_routes(run),
        Route("/picture/{page}/{psid}.svg", picture, methods=["GET"]),
    ]


def _other_routes(run: Runtime) -> list[Route]:
    async def show_other(request: Request) -> Response:
        plugin, account, person = _other(run, request)
        lines = None if plugin is None else plugin.lines(account, person)
        if plugin is None or lines is None:
            return _unknown()
        shown = "".join(_said("me" if line.is_mine else "page", line.text, line.at_ms) for line in lines)
        return HTMLResponse(_thread(f"{account} on {plugin.name}", person, shown))

    async def write_other(request: Request) -> Response:
        plugin, account, person = _other(run, request)
        if plugin is None or plugin.lines(account, person) is None:
            return _unknown()
        words = await _words(request)
        if words:
            plugin.write(account, person, words)
        return RedirectResponse(_address(plugin.name, account, person), 303)

    path = "/phone/{platform}/{account}/{person:path}"
    return [Route(path, show_other, methods=["GET"]), Route(path, write_other, methods=["POST"])]


def _other(run: Runtime, request: Request) -> tuple[Plugin | None, str, str]:
    name = request.path_params["platform"]
    plugin = next((one for one in run.plugins if one.name == name), None)
    return plugin, request.path_params["account"], request.path_params["person"]


async def _words(request: Request) -> str:
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    return form.get("text", [""])[0].strip()


def _unknown() -> Response:
    return HTMLResponse(_html("No such page", "<h1>No such page</h1>"), 404)


def _address(*segments: str) -> str:
    return "/".join(["/phone", *(quote(segment, safe="") for segment in segments)])


def _links(run: Runtime) -> str:
    rows = [
        f'<li><a href="{_address(page.id, customer.psid)}">{escape(customer.name)}</a> writes to {escape(page.name)}</li>'
        for page in run.world.pages.values()
        for customer in list(page.customers.values())[:MOST_LINKS]
    ]
    for plugin in run.plugins:
        rows += [
            f'<li><a href="{_address(plugin.name, thread.account, thread.person)}">{escape(thread.title)}</a>'
            f" ({escape(plugin.name)})</li>"
            for thread in plugin.threads()[:MOST_LINKS]
        ]
    return f"<h1>Phones</h1><ul>{''.join(rows[: 2 * MOST_LINKS])}</ul>"


def _thread(page: str, customer: str, lines: str) -> str:
    return _html(
        f"{customer} and {page}",
        f'<h1>{escape(page)}</h1><p><small>You are {escape(customer)}. <a href="">Refresh</a></small></p>{lines}'
        '<form method="post"><input name="text" autocomplete="off" autofocus><button>Send</button></form>',
    )


def _line(message: Message) -> str:
    words = "(unsent)" if message.is_deleted else message.text or ""
    extras = f"\n[{len(message.attachments)} attachment(s)]" if message.attachments else ""
    return _said("page" if message.from_page else "me", words + extras, message.created_ms)


def _said(side: str, words: str, at_ms: int) -> str:
    return f'<p class="{side}">{escape(words)} <small>{graph_time(at_ms)[11:16]}</small></p>'


def _html(title: str, inner: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{inner}</body></html>"
    )
