"""A storm: thousands of requests of many organizations at once over few connections, of which a part is let down.

Clients hang up in the middle, statements run into their timeout on a row that somebody holds, and input is refused. The
witness notes for each transaction which connection of PostgreSQL it got and what context it found there.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.config import Settings
from server.kit.db import Context, Database
from server.kit.ids import encode, new_id
from server.schema.nodes import Kind
from server.tenants.rules import OrganizationKind, Role, UnitKind
from tests.api import MODERN
from tests.factories.inbox import a_contact, a_conversation, a_page
from tests.factories.tenants import AnOrganization, a_person, an_organization
from tests.tenancy.canaries import a_canary, id_body
from tests.tenancy.rows import TENANT_TABLES

AT_ONCE = 24
_GID_BODY = re.compile(r"(?<=_)[0-9a-hjkmnp-tv-z]{26}(?![0-9a-z])")
_FOUND = text(
    "SELECT pg_backend_pid(), coalesce(current_setting('app.organization', true), ''),"
    " coalesce(current_setting('app.all_units', true), ''), coalesce(current_setting('app.units', true), ''),"
    " coalesce(current_setting('app.lineage', true), ''), current_setting('transaction_read_only')"
)
_VISIBLE = text("SELECT " + " + ".join(f"(SELECT count(*) FROM {table.name})" for table in TENANT_TABLES))
EMPTY = ("", "", "", "", "off")
"""What a connection without a context tells: no organization, no units, and the mode that it was born with."""


class Fate(StrEnum):
    """How a request is meant to end."""

    SEEN = "seen"
    CHANGED = "changed"
    FOREIGN = "foreign"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    HUNG_UP = "hung up"


@dataclass(frozen=True, slots=True)
class Resident:
    """A person of one organization in which every name holds its mark."""

    mark: str
    organization: AnOrganization
    token: str
    unit: str
    contact: str
    held_contact_id: UUID
    conversation: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: what is sent as JSON, as whom, and how it is meant to end."""

    fate: Fate
    asker: Resident
    body: dict[str, Any]
    token: str


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer."""

    ask: Ask
    status: int
    body: dict[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class Crowd:
    """All residents, and whose each mark and each id is."""

    residents: tuple[Resident, ...]
    owners: dict[str, str]
    prefix: str

    def owners_in(self, told: str) -> set[str]:
        """Return the marks of the organizations of which a text shows a name or an id."""
        named = set(re.findall(rf"{self.prefix}o\d\do", told))
        return named | {self.owners[body] for body in _GID_BODY.findall(told) if body in self.owners}


async def a_crowd(database: Database, settings: Settings, size: int) -> Crowd:
    """Make organizations with a page, contacts and a conversation each."""
    prefix = a_canary().mark
    made = [await _a_resident(database, settings, f"{prefix}o{number:02d}o") for number in range(size)]
    owners = {
        id_body(one): resident.mark
        for resident in made
        for one in (resident.organization.id, resident.organization.root_id, *resident.organization.units.values())
    }
    owners |= {
        one.rpartition("_")[2]: resident.mark
        for resident in made
        for one in (resident.contact, resident.conversation, encode(Kind.CONTACT, resident.held_contact_id))
    }
    return Crowd(tuple(made), owners, prefix)


async def _a_resident(database: Database, settings: Settings, mark: str) -> Resident:
    organization = await an_organization(database, OrganizationKind.AGENCY, {f"{mark} shop": UnitKind.CLIENT}, mark)
    [unit_id] = organization.units.values()
    person = await a_person(database, settings, organization, organization.root_id, Role.OWNER, f"{mark} Ada")
    page = await a_page(database, organization, unit_id, f"{mark} page")
    contact_id = await a_contact(database, organization, page, f"{mark} Grace")
    held_id = await a_contact(database, organization, page, f"{mark} Held")
    talk = await a_conversation(database, organization, page, f"{mark} hello", contact_id=contact_id)
    return Resident(
        mark,
        organization,
        person.token,
        encode(Kind.UNIT, unit_id),
        encode(Kind.CONTACT, contact_id),
        held_id,
        encode(Kind.CONVERSATION, talk.id),
    )


_NAMED = "id name"
_ERRORS = "userErrors { code message path }"
_RENAME = (
    f"mutation($input: ContactRenameInput!) {{ contactRename(input: $input) {{ contact {{ {_NAMED} }} {_ERRORS} }} }}"
)
_LABEL = f"mutation($input: LabelCreateInput!) {{ labelCreate(input: $input) {{ label {{ {_NAMED} }} {_ERRORS} }} }}"
_CONTACTS = f"query($filter: ContactFilter) {{ contacts(filter: $filter) {{ nodes {{ {_NAMED} }} }} }}"
_NODE = "query($id: ID!) { node(id: $id) { id ... on Contact { name } ... on Conversation { contact { name } } } }"
_TALKS = "{ conversations { nodes { id contact { id name } page { id name } lastMessage { id text } } } }"
_VIEWER = "{ viewer { name organization { id name } } }"
_UNITS = "{ units { nodes { id name } } }"


@dataclass(slots=True)
class Plan:
    """Makes the requests of a storm; the same seed makes the same storm."""

    crowd: Crowd
    chance: random.Random

    def storm(self, shares: dict[Fate, int]) -> list[Ask]:
        """Return as many requests of each fate as told, by all residents in turn, in random order."""
        makers: dict[Fate, Callable[[Resident], dict[str, Any] | Ask]] = {
            Fate.SEEN: self._read,
            Fate.CHANGED: self._write,
            Fate.FOREIGN: self._foreign,
            Fate.REFUSED: self._refused,
            Fate.TIMED_OUT: self._held,
            Fate.HUNG_UP: self._any,
        }
        asks: list[Ask] = []
        for fate, count in shares.items():
            for number in range(count):
                asker = self.crowd.residents[number % len(self.crowd.residents)]
                made = makers[fate](asker)
                asks.append(made if isinstance(made, Ask) else Ask(fate, asker, made, asker.token))
        self.chance.shuffle(asks)
        return asks

    def _read(self, one: Resident) -> dict[str, Any]:
        return self.chance.choice(
            (
                _body(_CONTACTS),
                _body(_CONTACTS, filter={"unitId": one.unit}),
                _body(_NODE, id=one.contact),
                _body(_NODE, id=one.conversation),
                _body(_TALKS),
                _body(_VIEWER),
                _body(_UNITS),
            )
        )

    def _write(self, one: Resident) -> dict[str, Any]:
        name = f"{one.mark} {new_id().hex[-12:]}"
        return self.chance.choice(
            (
                _body(_RENAME, input={"contactId": one.contact, "name": name}),
                _body(_LABEL, input={"unitId": one.unit, "name": name}),
            )
        )

    def _foreign(self, one: Resident) -> dict[str, Any]:
        other = self.chance.choice([other for other in self.crowd.residents if other is not one])
        return self.chance.choice(
            (
                _body(_NODE, id=other.contact),
                _body(_NODE, id=other.conversation),
                _body(_RENAME, input={"contactId": other.contact, "name": "taken over"}),
                _body(_LABEL, input={"unitId": other.unit, "name": "taken over"}),
                _body(_CONTACTS, filter={"unitId": other.unit}),
            )
        )

    def _refused(self, one: Resident) -> Ask:
        body, token = self.chance.choice(
            (
                (_body("{ nothing }"), one.token),
                (_body(_VIEWER), one.token[:-1] + ("a" if one.token[-1] != "a" else "b")),
                (_body(_RENAME, input={"contactId": "con_nonsense", "name": one.mark}), one.token),
                (_body(_RENAME, input={"contactId": one.contact, "name": "x" * 300}), one.token),
                (_body(_LABEL, input={"unitId": one.unit, "name": "", "color": "red"}), one.token),
            )
        )
        return Ask(Fate.REFUSED, one, body, token)

    def _any(self, one: Resident) -> dict[str, Any]:
        make = self.chance.choice((self._read, self._write, self._held))
        return make(one)

    def _held(self, one: Resident) -> dict[str, Any]:
        held = encode(Kind.CONTACT, one.held_contact_id)
        return _body(_RENAME, input={"contactId": held, "name": f"{one.mark} Freed"})


def _body(query: str, **variables: object) -> dict[str, Any]:
    return {"query": query, "variables": variables}


async def rage(url: str, asks: list[Ask], chance: random.Random) -> list[Heard]:
    """Send the requests, some two dozen at once; return the answers of those that waited for one."""
    heard: list[Heard] = []
    waiting = iter(asks)

    async def one_client() -> None:
        line = await _Line.open(url)
        for ask in waiting:
            if ask.fate is Fate.HUNG_UP:
                await line.send(ask)
                await asyncio.sleep(chance.uniform(0.001, 0.06))
                line.writer.transport.abort()
                line = await _Line.open(url)
            else:
                await line.send(ask)
                heard.append(await line.answer(ask))
        line.writer.close()
        await line.writer.wait_closed()

    await asyncio.gather(*(one_client() for _ in range(AT_ONCE)))
    return heard


@dataclass(frozen=True, slots=True)
class _Line:
    """One connection of a client who keeps it: plain HTTP/1.1, because a full client costs as much as what is asked."""

    host: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, url: str) -> _Line:
        """Connect."""
        address = urlsplit(url)
        return cls(address.netloc, *await asyncio.open_connection(address.hostname, address.port))

    async def send(self, ask: Ask) -> None:
        """Send one request."""
        body = json.dumps(ask.body).encode()
        head = (
            f"POST /graphql HTTP/1.1\r\nhost: {self.host}\r\naccept: {MODERN}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {ask.token}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        await self.writer.drain()

    async def answer(self, ask: Ask) -> Heard:
        """Read its answer, which must tell its length."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        [length] = re.findall(r"^content-length: (\d+)", head, re.MULTILINE | re.IGNORECASE)
        body = await self.reader.readexactly(int(length))
        return Heard(ask, int(head.split(" ", 2)[1]), json.loads(body), head + body.decode())


@dataclass(slots=True)
class EndsWithItsClient:
    """A layer around the API that cancels what works for a client who has left: the hardest way a request can end."""

    app: ASGIApp
    cancelled: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_read = asyncio.Event()

        async def reading() -> Message:
            message = await receive()
            if not message.get("more_body", False):
                is_read.set()
            return message

        async def leaving() -> None:
            await is_read.wait()
            while (await receive())["type"] != "http.disconnect":
                pass

        working = asyncio.create_task(self.app(scope, reading, send))  # type: ignore[arg-type]
        watching = asyncio.create_task(leaving())
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        self.cancelled += working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)
        if not working.cancelled():
            working.result()


@dataclass(slots=True)
class Witness:
    """What each scoped transaction found when it began, before its own context was set."""

    found: Counter[tuple[int, tuple[object, ...], UUID]] = field(default_factory=Counter)
    engines: set[Engine] = field(default_factory=set)

    def organizations(self) -> dict[int, set[UUID]]:
        """Return the organizations that each connection of PostgreSQL served."""
        served: dict[int, set[UUID]] = {}
        for pid, _, organization_id in self.found:
            served.setdefault(pid, set()).add(organization_id)
        return served

    def inherited(self) -> set[tuple[object, ...]]:
        """Return every context that a transaction found."""
        return {context for _, context, _ in self.found}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note all transactions that begin with a context meanwhile, in this process."""
        event.listen(Session, "after_begin", self._note, insert=True)
        try:
            yield
        finally:
            event.remove(Session, "after_begin", self._note)

    def _note(self, session: Session, _transaction: object, connection: Connection) -> None:
        context = session.info.get("context")
        if isinstance(context, Context):
            pid, *before = connection.execute(_FOUND).one()
            self.found[pid, tuple(before), context.organization_id] += 1
            self.engines.add(connection.engine)


@dataclass(frozen=True, slots=True)
class Left:
    """What one connection of PostgreSQL holds when nobody works on it."""

    pid: int
    context: tuple[object, ...]
    visible_rows: int


async def left_on_all(
    engine: AsyncEngine, count: int, then: Callable[[Any], Awaitable[object]] | None = None
) -> list[Left]:
    """Take that many connections at once, each in a transaction, so that also a pooler must give as many different ones."""
    taken = [await engine.connect() for _ in range(count)]
    left = []
    for connection in taken:
        pid, *context = (await connection.execute(_FOUND)).one()
        left.append(Left(pid, tuple(context), (await connection.execute(_VISIBLE)).scalar_one()))
    for connection in taken:
        if then is not None:
            await then(connection)
            await connection.commit()
        await connection.close()
    return left
