"""The customers of the demo day: who they are, what they wrote, and what must be in the inbox because of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from switchboard.demo.api import Json
from switchboard.demo.cast import PUBLISHED_PERSON, Cast, Place
from switchboard.demo.outside import Outside

T = TypeVar("T")
AT_ONCE = 8
_FIRST = ("Ada", "Ben", "Cleo", "Dan", "Edda", "Finn", "Gus", "Hana", "Ivo", "Jule")
_LAST = ("Arendt", "Bach", "Curie", "Dahl", "Ebert", "Falk", "Gray", "Hopper", "Ito", "Juhl")
_WORDS = (
    "Are you open on Sunday?",
    "How much is it?",
    "Can I book for four people tomorrow?",
    "Thanks, that was quick!",
    "My order has not come yet 😕",
    "Do you have a place with parking?",
)
_CUSTOMERS = {"linden": 40, "harbour": 15, "vela": 15}


@dataclass(slots=True)
class Customer:
    """One person of one page; `says` is what they write, in this order."""

    place: Place
    psid: str
    first_name: str
    last_name: str
    says: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """Return what identifies the person on the platform: page and id."""
        return self.place.external_id, self.psid


def everybody(cast: Cast) -> list[Customer]:
    """Return the customers of all pages: 70 of the clients', two of each location."""
    made: list[Customer] = []
    for place in cast.places:
        for number in range(_CUSTOMERS.get(place.key, 2)):
            index = len(made)
            person = Customer(place, f"{cast.run}{index:04}", _FIRST[index % 10], _LAST[index // 10 % 10])
            count = 2 if place in cast.clients else 1 + number % 2
            person.says = [
                f"{_WORDS[(index + turn) % len(_WORDS)]} ({person.psid}-{turn + 1})" for turn in range(count)
            ]
            made.append(person)
    return made


async def introduce(outside: Outside, people: Iterable[Customer], special: dict[str, Json]) -> None:
    """Let the platform know the people; `special` is how fast a phone answers, by person."""
    body = [
        {"page": one.place.external_id, "psid": one.psid, "first_name": one.first_name, "last_name": one.last_name}
        | special.get(one.psid, {})
        for one in people
    ]
    await outside.control("customers", body)


async def write(outside: Outside, people: Iterable[Customer]) -> None:
    """Let everybody write what they say: each in their order, the people at the same time."""

    async def one(person: Customer) -> None:
        for text in person.says:
            await outside.does(*person.key, "message", text=text)

    await together(one(person) for person in people)


async def expected(outside: Outside, cast: Cast, people: list[Customer]) -> dict[tuple[str, str], list[str | None]]:
    """Return what each customer said, as the platform keeps it, oldest first; the published person's words are known."""

    async def said(person: Customer) -> list[str | None]:
        seen = await outside.sees(*person.key)
        return [message["text"] for message in seen["messages"] if not message["from_page"]]

    found = dict(zip((one.key for one in people), await together(said(one) for one in people), strict=True))
    return found | {(cast.linden.external_id, PUBLISHED_PERSON): ["hello, world!", None]}


async def together(work: Iterable[Awaitable[T]]) -> list[T]:
    """Do all of it, eight at a time; return the results in order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(part: Awaitable[T]) -> T:
        async with gate:
            return await part

    return list(await asyncio.gather(*(one(part) for part in work)))
