"""The world as JSON and back. What a file holds is checked by the types of the dataclasses before it becomes state."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import TypeVar, get_args, get_origin, get_type_hints

import orjson

from standin.jsonish import BadBody, Json, as_dict, as_list, loads
from standin.ledger import Entry
from standin.runtime import Runtime
from standin.state import (
    AdAccount,
    Business,
    Campaign,
    Comment,
    OptinToken,
    Page,
    Person,
    Template,
    Token,
)

VERSION = 1
NUMBERS_LEFT_OUT = 1_000_000  # a killed process may have given out numbers that it could not store any more
Read = Callable[[object], object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenOf:
    """Which live page token stands for an owner (a user token's value, or `control`) and a page."""

    owner: str
    page: str
    token: str


@dataclass(frozen=True, slots=True)
class Stored:
    """The file's content. `app` lacks the app's id and secrets: the command line gives them at every start."""

    version: int
    last_number: int
    offset_ms: int
    app: Json
    people: list[Person]
    businesses: list[Business]
    ad_accounts: list[AdAccount]
    pages: list[Page]
    tokens: list[Token]
    page_tokens: list[TokenOf]
    codes: dict[str, Json]
    optins: list[OptinToken]
    campaigns: list[Campaign]
    comments: list[Comment]
    attachments: dict[str, str]
    ledger: list[Entry]
    plugins: dict[str, Json] = field(default_factory=dict)
    templates: list[Template] = field(default_factory=list)


def dumped(run: Runtime) -> bytes:
    """The world as JSON, the same bytes for the same world; `TypeError` when it holds what JSON cannot."""
    world = run.world
    stored = Stored(
        version=VERSION,
        last_number=world.last_number,
        offset_ms=world.offset_ms,
        app={name: value for name, value in world.config.shown().items() if name != "app_id"},
        people=list(world.people.values()),
        businesses=list(world.businesses.values()),
        ad_accounts=list(world.ad_accounts.values()),
        pages=list(world.pages.values()),
        tokens=list(world.tokens.values()),
        page_tokens=[TokenOf(owner, page, token.value) for (owner, page), token in world.page_tokens.items()],
        codes=world.codes,
        optins=list(world.optins.values()),
        campaigns=list(world.campaigns.values()),
        comments=list(world.comments.values()),
        attachments=world.attachments,
        ledger=world.ledger.entries,
        templates=list(world.templates.values()),
        plugins={plugin.name: plugin.dumped() for plugin in run.plugins},
    )
    return orjson.dumps(stored, _plain)


def load(run: Runtime, raw: bytes) -> None:
    """Put what was dumped into an empty world; `BadBody` leaves the world as it is.

    A callback URL and redirect URIs that the world's configuration has already win over the stored ones.
    """
    world = run.world
    body = as_dict(loads(raw))
    if body is None or body.get("version") != VERSION:
        raise BadBody(f"not a state of version {VERSION}")
    stored = built(Stored, body)
    tokens = _by(stored.tokens, lambda token: token.value)
    pairs = {(item.owner, item.page): tokens.get(item.token) for item in stored.page_tokens}
    for plugin in run.plugins:
        plugin.load(stored.plugins.get(plugin.name, {}))
    config = world.config
    given = {"callback_url": config.callback_url, "redirect_uris": config.redirect_uris}
    config.apply({name: value for name, value in stored.app.items() if not given.get(name)})
    world.last_number = stored.last_number + NUMBERS_LEFT_OUT
    world.offset_ms = stored.offset_ms
    world.people = _by(stored.people, lambda person: person.id)
    world.businesses = _by(stored.businesses, lambda business: business.id)
    world.ad_accounts = _by(stored.ad_accounts, lambda account: account.id)
    world.pages = _by(stored.pages, lambda page: page.id)
    world.tokens = tokens
    world.page_tokens = {key: token for key, token in pairs.items() if token is not None}
    world.codes = stored.codes
    world.optins = _by(stored.optins, lambda optin: optin.value)
    world.campaigns = _by(stored.campaigns, lambda campaign: campaign.id)
    world.comments = _by(stored.comments, lambda comment: comment.id)
    world.templates = _by(stored.templates, lambda template: template.id)
    world.attachments = stored.attachments
    world.ledger.entries = stored.ledger
    for page in stored.pages:
        for customer in page.customers.values():
            world.messages.update({message.mid: message for message in customer.messages})


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, deque):
        return None
    raise TypeError(type(value).__name__)


def _by(items: Iterable[T], key: Callable[[T], str]) -> dict[str, T]:
    return {key(item): item for item in items}


def built(make: Callable[..., T], row: object) -> T:
    """An object of the dataclass; `BadBody` for an unknown name, a missing one or a wrong type."""
    given = as_dict(row)
    if given is None:
        raise BadBody("an object is required")
    readers = _readers(make)
    unknown = given.keys() - readers.keys()
    if unknown:
        raise BadBody(f"unknown {sorted(unknown)[0]}")
    values: Json = {}
    for name, (read, is_required) in readers.items():
        if read is not None and name in given:
            values[name] = read(given[name])
        elif is_required:
            raise BadBody(f"{name} is required")
    return make(**values)


@lru_cache
def _readers(kind: Callable[..., object]) -> dict[str, tuple[Read | None, bool]]:
    """Per field how to read it (None: leave it at its default) and whether it must be there."""
    if not is_dataclass(kind):
        raise TypeError(f"{kind} is no dataclass")
    hints = get_type_hints(kind)
    return {
        item.name: (None if item.metadata else _reader(hints[item.name]), _is_required(item)) for item in fields(kind)
    }


def _is_required(item: "Field[object]") -> bool:
    return item.default is MISSING and item.default_factory is MISSING


@lru_cache
def _reader(hint: object) -> Read:
    if hint is object:
        return lambda value: value
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value: built(hint, value)
    if isinstance(hint, UnionType):
        (inner,) = (_reader(part) for part in get_args(hint) if part is not NoneType)
        return lambda value: None if value is None else inner(value)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is dict:
        item = _reader(parts[1])
        return lambda value: {key: item(inside) for key, inside in _object(value).items()}
    if origin in COLLECTIONS:
        make, item = COLLECTIONS[origin], _reader(parts[0])
        return lambda value: make(item(inside) for inside in _array(value))
    if hint in (str, int, bool):
        return lambda value: _exactly(hint, value)
    raise TypeError(f"no way to read {hint}")


COLLECTIONS: dict[object, Callable[[Iterable[object]], object]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
}


def _object(value: object) -> Json:
    found = as_dict(value)
    if found is None:
        raise BadBody("an object is required")
    return found


def _array(value: object) -> list[object]:
    found = as_list(value)
    if found is None:
        raise BadBody("a list is required")
    return found


def _exactly(kind: object, value: object) -> object:
    if type(value) is not kind:
        raise BadBody(f"{value!r:.40} has the wrong type")
    return value
