"""A page in the browser that shows a thread from the customer's side and lets a person write as the customer."""

from html import escape
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from standin.graph import graph_time
from standin.runtime import Runtime
from standin.state import Customer, Message, Page

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
    """GET shows, POST writes; `/phone` lists the threads, and the pictures of profiles are drawn."""

    async def index(_request: Request) -> Response:
        return HTMLResponse(_html("Phones", _links(run)))

    async def picture(request: Request) -> Response:
        letter = escape(request.path_params["psid"][-1:].upper())
        return Response(PICTURE.format(letter=letter), media_type="image/svg+xml")

    async def show(request: Request) -> Response:
        page = run.world.pages.get(request.path_params["page"])
        if page is None:
            return HTMLResponse(_html("No such page", "<h1>No such page</h1>"), 404)
        return HTMLResponse(_thread(page, run.world.customer(page, request.path_params["psid"])))

    async def write(request: Request) -> Response:
        page = run.world.pages.get(request.path_params["page"])
        if page is None:
            return HTMLResponse(_html("No such page", "<h1>No such page</h1>"), 404)
        psid = request.path_params["psid"]
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        words = form.get("text", [""])[0].strip()
        if words:
            run.phone.do(page, psid, "message", {"text": words}, silent=False)
        return RedirectResponse(f"/phone/{quote(page.id, safe='')}/{quote(psid, safe='')}", 303)

    path = "/phone/{page}/{psid}"
    return [
        Route("/phone", index, methods=["GET"]),
        Route(path, show, methods=["GET"]),
        Route(path, write, methods=["POST"]),
        Route("/picture/{page}/{psid}.svg", picture, methods=["GET"]),
    ]


def _links(run: Runtime) -> str:
    rows = [
        f'<li><a href="/phone/{quote(page.id, safe="")}/{quote(customer.psid, safe="")}">'
        f"{escape(customer.name)}</a> writes to {escape(page.name)}</li>"
        for page in run.world.pages.values()
        for customer in list(page.customers.values())[:MOST_LINKS]
    ]
    return f"<h1>Phones</h1><ul>{''.join(rows[:MOST_LINKS])}</ul>"


def _thread(page: Page, customer: Customer) -> str:
    lines = "".join(_line(message) for message in customer.messages)
    title = f"{customer.name} and {page.name}"
    return _html(
        title,
        f'<h1>{escape(page.name)}</h1><p><small>You are {escape(customer.name)}. <a href="">Refresh</a></small></p>{lines}'
        '<form method="post"><input name="text" autocomplete="off" autofocus><button>Send</button></form>',
    )


def _line(message: Message) -> str:
    side = "page" if message.from_page else "me"
    words = "(unsent)" if message.is_deleted else message.text or ""
    extras = f"\n[{len(message.attachments)} attachment(s)]" if message.attachments else ""
    when = graph_time(message.created_ms)[11:16]
    return f'<p class="{side}">{escape(words + extras)} <small>{when}</small></p>'


def _html(title: str, inner: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{inner}</body></html>"
    )
