"""What the pages of this server share: who signed in, plain HTML under a strict policy, and forms nobody else can send.

A form is answered only if it comes from a page of this origin and carries the token of the session, or, before there is
one, the token that a signed cookie holds too (OWASP, "Cross-Site Request Forgery Prevention", 2023: synchronizer token,
signed double-submit cookie, verifying origin with standard headers).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from server.auth import browsers
from server.auth import service as auth
from server.auth.browsers import CookieName, Sent
from server.auth.service import SignedIn
from server.config import Settings
from server.web.answers import Refused
from server.web.dependencies import WebDependencies

CSRF_NAME = "csrf"
MAX_FIELDS = 250
_FORM = "form"
_FORM_MEDIA = "application/x-www-form-urlencoded"

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}label{display:block;margin-top:1rem;font-weight:600}"
    "input:not([type=hidden],[type=checkbox],[type=radio]){display:block;width:100%;box-sizing:border-box;"
    "padding:.5rem;font:inherit;border:1px solid #555;border-radius:4px}"
    "button{margin-top:1rem;padding:.5rem 1rem;font:inherit;border:1px solid #1a1a1a;border-radius:4px;"
    "background:#1a1a1a;color:#fff}[role=alert]{border-left:4px solid #b00020;padding:.5rem 1rem}"
    ":focus-visible{outline:3px solid #1a6dd8;outline-offset:2px}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def write_cookie(response: Response, settings: Settings, name: CookieName, value: str) -> None:
    """Set a cookie until the browser closes; the server ends what it stands for by its own clock."""
    response.set_cookie(
        name.on(settings),
        value,
        path="/",
        secure=browsers.is_https(settings),
        httponly=not name.is_readable,
        samesite="lax",
    )


def clear_cookie(response: Response, settings: Settings, name: CookieName) -> None:
    """Take a cookie away."""
    response.delete_cookie(
        name.on(settings),
        path="/",
        secure=browsers.is_https(settings),
        httponly=not name.is_readable,
        samesite="lax",
    )


def read_cookie(request: Request, settings: Settings, name: CookieName) -> str | None:
    """Return what the browser sent."""
    return request.cookies.get(name.on(settings))


async def signed_in(request: Request, deps: WebDependencies) -> SignedIn | None:
    """Return who this browser is signed in as; read once per request."""
    if not hasattr(request.state, "signed_in"):
        cookie = read_cookie(request, deps.settings, browsers.SESSION)
        found = None if cookie is None else await auth.read_session(deps.database, deps.settings, cookie)
        request.state.signed_in = found
    found = request.state.signed_in
    return found if isinstance(found, SignedIn) else None


def page(title: str, body: str, *, status: int = 200, leads_to: Sequence[str] = ()) -> HTMLResponse:
    """Write a page; `body` is HTML, so everything in it that came from outside was escaped by the caller.

    `leads_to` are other origins that a form of the page may end at by a redirect: browsers hold `form-action` against
    these too (CSP Level 3, section 6.4.2).
    """
    targets = " ".join(["'self'", *leads_to])
    headers = {
        "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self'; "
        f"form-action {targets}; frame-ancestors 'none'; base-uri 'none'",
        # "no-referrer" would make browsers send "Origin: null" with forms (Fetch, "append a request Origin header").
        "referrer-policy": "same-origin",
    }
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · Switchboard</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return HTMLResponse(html, status, headers)


def alert(text: str) -> str:
    """Return a paragraph that screen readers tell at once."""
    return f'<p role="alert">{escape(text)}</p>'


def csrf_field(of: SignedIn | FormToken) -> str:
    """Return the hidden field that every form needs: of a session, or of a browser without one."""
    return f'<input type="hidden" name="{CSRF_NAME}" value="{escape(of.csrf)}">'


@dataclass(frozen=True, slots=True)
class FormToken:
    """What a browser without a session is given: a random cookie, and the keyed hash of it for the form."""

    cookie: str = field(repr=False)
    csrf: str = field(repr=False)


def form_token(request: Request, settings: Settings) -> FormToken:
    """Return the token for a form of a browser without a session; the answer must set its cookie, FORM."""
    cookie = read_cookie(request, settings, browsers.FORM) or secrets.token_urlsafe(32)
    return FormToken(cookie, browsers.csrf_of(settings, _FORM, cookie))


async def form_of(request: Request, deps: WebDependencies) -> dict[str, str]:
    """Return the fields of a form; refuse with 403 one that no page of ours wrote for this browser, with 400 any other body.

    The body is small already: the middleware cuts it. A field that stands twice is refused.
    """
    sent = Sent(*(request.headers.get(name) for name in ("origin", "host", "sec-fetch-site")))
    if not browsers.comes_from_us(deps.settings, sent):
        raise Refused(403, "form.foreign_origin", "This request comes from another site, so nothing was done.")
    fields = _fields(request, await request.body())
    person = await signed_in(request, deps)
    given = fields.pop(CSRF_NAME, "")
    if person is not None:
        is_ours = hmac.compare_digest(given.encode(), person.csrf.encode())
    else:
        cookie = read_cookie(request, deps.settings, browsers.FORM)
        is_ours = browsers.is_csrf_of(deps.settings, _FORM, cookie, given)
    if not is_ours:
        raise Refused(403, "form.not_ours", "This form is old or not ours. Load the page again and send it once more.")
    return fields


def _fields(request: Request, body: bytes) -> dict[str, str]:
    malformed = Refused(400, "form.malformed", "Send the form as application/x-www-form-urlencoded, each field once.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_MEDIA:
        raise malformed
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise malformed from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or any("\0" in value for value in fields.values()):
        raise malformed
    return fields


def to_sign_in(request: Request) -> RedirectResponse:
    """Send the browser to the sign-in page, which comes back to this very path."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(here, safe='')}", 303)


def local_path(text: str | None, otherwise: str = "/organizations") -> str:
    """Return a path of this server, or `otherwise` for anything that a browser might read as another host's address.

    A browser takes a backslash for a slash and drops tabs and line breaks (WHATWG URL, section 4.4), so a path is one
    only if it begins with a single slash and holds nothing but printable ASCII without backslashes.
    """
    if not text or not text.startswith("/") or text.startswith("//") or "\\" in text:
        return otherwise
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > 2000:
        return otherwise
    return text
