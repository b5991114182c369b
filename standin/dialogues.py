"""What the consent dialogues of all platforms have in common: a page with a choice, and the way back to the app."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response


@dataclass(frozen=True, slots=True)
class Choice:
    """A form: the query is repeated in hidden fields, and one of the people (id and name) is chosen as `who`."""

    heading: str
    wanted: str
    hidden: Iterable[tuple[str, str | None]]
    who: str
    people: Iterable[tuple[str, str]]
    allow: str = "Allow"
    refuse: str = "Refuse"
    more: str = ""


def offered(choice: Choice) -> Response:
    """The page with the form; the first of the people is chosen."""
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in choice.hidden
        if value is not None
    )
    people = "".join(
        f'<label><input type="radio" name="{choice.who}" value="{escape(one)}"{"" if index else " checked"}> '
        f"{escape(name)}</label><br>"
        for index, (one, name) in enumerate(choice.people)
    )
    return shown(
        f"<h1>{escape(choice.heading)}</h1><p>The app asks for: {escape(choice.wanted)}.</p>"
        f'<form method="post" action="">{hidden}{people}{choice.more}'
        f'<p><button name="action" value="allow">{choice.allow}</button> '
        f'<button name="action" value="refuse">{choice.refuse}</button></p></form>'
    )


def failed(heading: str, problem: str = "") -> Response:
    """A page that leads nowhere: HTTP 400."""
    return shown(f"<h1>{escape(heading)}</h1><p>{escape(problem)}</p>", 400)


def shown(inner: str, status: int = 200) -> Response:
    """A page of the dialogue."""
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Stand-in login</title>'
    return HTMLResponse(f"{head}<body>{inner}</body></html>", status)


def back(
    address: str,
    answer: dict[str, str],
    state: str | None,
    *,
    fragment: str = "",
    quoted: Callable[..., str] = quote_plus,
) -> Response:
    """302 to the app's address with the answer and the state behind what the address has already."""
    parts = urlsplit(address)
    query = urlencode({**answer, **({"state": state} if state is not None else {})}, quote_via=quoted)
    joined = f"{parts.query}&{query}" if parts.query else query
    return RedirectResponse(urlunsplit(parts._replace(query=joined, fragment=fragment)), 302)
