"""Listening: every subscription in every way, while something happens on both sides."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLField

from tests.api import Api
from tests.factories.inbox import a_conversation
from tests.schema.live import Socket, a_socket
from tests.tenancy.asking import a_random_id_like, filled
from tests.tenancy.hop import Hop
from tests.tenancy.world import Place, Talk

PATIENCE_S = 60.0
QUIET_S = 0.5
_REQUEST_ID = re.compile(r"req_[0-9a-z]{26}")


@dataclass(frozen=True, slots=True)
class Stir:
    """What happens while somebody listens: a marked message on their side, then one on ours."""

    mine: Place
    theirs: Place
    talks: tuple[Talk, Talk]
    marked: str

    async def happen(self) -> None:
        """Let people write, on the other side first."""
        for place, talk, words in ((self.theirs, self.talks[1], self.marked), (self.mine, self.talks[0], "Ours")):
            await a_conversation(place.database, place.organization, talk.page, words, contact_id=talk.contact_id)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to subscribe. `pair` names the way that must hear the same; its id is replaced by `sent`."""

    id: str
    variables: dict[str, Any]
    sent: str = ""
    pair: str = ""


async def overheard(api: Api, hop: Hop, stir: Stir) -> tuple[list[str], list[str]]:
    """Return all frames, and the differences between what foreign and random ids were told.

    A subscription that never tells its listener's own news fails: the walk does not know what makes it speak.
    """
    frames: list[str] = []
    differences: list[str] = []
    assert hop.asker.token is not None
    for name, one in hop.asker.shapes.roots("subscription").items():
        ways = list(_ways(hop, one))
        async with a_socket(api, hop.asker.token) as socket:
            for way in ways:
                payload = {"query": _document(hop, name, one), "variables": way.variables}
                await socket.say({"id": way.id, "type": "subscribe", "payload": payload})
            heard: dict[str, list[str]] = {way.id: [] for way in ways}
            listening = asyncio.create_task(_listen(socket, heard))
            await _until_told(stir, heard)
            assert _is_told(heard), f"{name} tells its listener nothing but {heard['own']} and {heard['last']}"
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    while _differences(name, ways, heard):  # one of a pair is told later than the other
                        await asyncio.sleep(0.05)
            await asyncio.sleep(QUIET_S)
            listening.cancel()
        frames += [frame for some in heard.values() for frame in some]
        differences += _differences(name, ways, heard)
    return frames, differences


async def _until_told(stir: Stir, heard: dict[str, list[str]]) -> None:
    """Let people write again and again: nothing says when a subscription has begun to listen."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while not _is_told(heard):
                await asyncio.sleep(QUIET_S)
                await stir.happen()


def _is_told(heard: dict[str, list[str]]) -> bool:
    return all(any('"next"' in frame for frame in heard[own]) for own in ("own", "last"))


def _differences(name: str, ways: list[Way], heard: dict[str, list[str]]) -> list[str]:
    sent = {way.id: way.sent for way in ways}

    def told(id_: str) -> list[str]:
        return [_REQUEST_ID.sub("", frame.replace(sent[id_], "<id>").replace(f'"{id_}"', "")) for frame in heard[id_]]

    return [
        f"{name}: a foreign id is told {told(way.id)} and a random one {told(way.pair)}"
        for way in ways
        if way.pair and told(way.id) != told(way.pair)
    ]


def _ways(hop: Hop, one: GraphQLField) -> Iterator[Way]:
    yield Way("own", {})
    number = 0
    for variant in hop.asker.shapes.variants(one):
        places = variant.places()
        for at, place in enumerate(places):
            for foreign in hop.foreign.some(place.type_name)[:2]:
                random = a_random_id_like(foreign)
                own = [hop.own_id(other) for other in places]
                for id_, sent, pair in ((f"f{number}", foreign, f"r{number}"), (f"r{number}", random, "")):
                    given = [*own[:at], sent, *own[at + 1 :]]
                    # What else the variant gives, such as a position to start from, is left out: it ends the stream.
                    arguments = {
                        key: value for key, value in filled(variant.arguments, given).items() if value != "A walk"
                    }
                    yield Way(id_, arguments, sent, pair)
                number += 1
    texts = [argument for argument, given in one.args.items() if str(given.type).startswith("String")]
    for listed, cursors in [(one, given) for one, given in hop.foreign.cursors.items() if given]:
        for argument in texts:
            yield Way(f"c{listed}{argument}", {argument: cursors[0]})
    yield Way("last", {})


def _document(hop: Hop, name: str, one: GraphQLField) -> str:
    fragments: dict[str, str] = {}
    selection = hop.asker.shapes.select(one.type, 4, fragments)
    declared = ", ".join(f"${argument}: {given.type}" for argument, given in one.args.items())
    given = ", ".join(f"{argument}: ${argument}" for argument in one.args)
    head = f"subscription Walk({declared}) {{ {name}({given})" if one.args else f"subscription Walk {{ {name}"
    return f"{head} {selection} }} {' '.join(fragments.values())}"


async def _listen(socket: Socket, heard: dict[str, list[str]]) -> None:
    with suppress(TimeoutError):
        while True:
            message = await socket.hear(PATIENCE_S)
            if message["type"] in {"next", "error"}:
                heard[message["id"]].append(json.dumps(message, sort_keys=True))
