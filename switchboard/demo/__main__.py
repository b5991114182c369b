"""`python -m switchboard.demo --api URL --standin URL --data DIR`: the main job, played once against running services."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

import httpx
from rich.console import Console
from websockets.exceptions import WebSocketException

from switchboard.demo import answering, arriving, campaigning, connecting, franchise, leaving, networks, strangers
from switchboard.demo.api import Api, Person
from switchboard.demo.cast import Cast, engage
from switchboard.demo.contract import Contract, ContractBroken
from switchboard.demo.outside import Outside
from switchboard.demo.telling import NotSo, Stage

_TIMEOUT_S = 30.0


async def play(stage: Stage, api: Api, outside: Outside, data: Path) -> None:
    """Play all scenes with fresh organizations; raise NotSo as soon as something is not as it must be."""
    with stage.scene("0", "Two organizations, their units and their people"):
        await _make_room(api, data)
        cast = await engage()
        leaving.keep(data, leaving.told(api, cast, played=False))
        await _look_around(stage, api, cast)
    with stage.scene("a", "Connecting Messenger pages"):
        await connecting.play(stage, api, outside, cast)
        leaving.keep(data, leaving.told(api, cast, played=False))
    with stage.scene("b", "Messages arrive"):
        people = await arriving.play(stage, api, outside, cast)
    with stage.scene("c", "An agent answers"):
        await answering.play(stage, api, outside, cast, people[0])
    with stage.scene("d", "Headquarters releases a template"):
        await franchise.play(stage, api, cast)
    with stage.scene("e", "A campaign"):
        await campaigning.play(stage, api, outside, cast, people)
    with stage.scene("f", "The other organization asks"):
        await leaving.hire_app(stage, api, cast)
        await strangers.play(stage, api, cast)
    with stage.scene("g", "The bill, and the books"):
        await campaigning.costs(stage, api, cast)
        await leaving.nothing_lost(stage, api, outside, cast)
    with stage.scene("h", "The other networks"):
        await networks.play(stage, api, outside, cast)
    leaving.keep(data, leaving.told(api, cast, played=True))


async def _look_around(stage: Stage, api: Api, cast: Cast) -> None:
    for person, units in ((cast.admin, cast.agency_units), (cast.brand, cast.franchise_units)):
        viewer = await api.ask(person, "Viewer")
        stage.equal("who is asking", viewer["organization"]["name"], person.organization)
        found = {unit["id"] for unit in await api.all(person, "Units")}
        stage.equal(f"units of {person.organization}", found, set(units.values()))
        stage.fact(f"{person.organization}: units", len(found))
    stage.step("an agency with three clients, a franchisor with 50 locations in 5 regions, five people")


async def _make_room(api: Api, data: Path) -> None:
    """Disconnect the published pages from the organization of an earlier play, if it is still there."""
    path = data / "demo.json"
    if not path.exists():
        return
    earlier = json.loads(path.read_text())
    owner = Person("earlier admin", "agency admin", "", earlier["people"][0]["token"])
    for page_id in filter(None, earlier.get("pages", [])):
        await api.answer(owner, "PageDisconnect", {"input": {"pageId": page_id}})


async def _run(arguments: argparse.Namespace, console: Console) -> int:
    stage = Stage(console)
    limits = httpx.Limits(max_connections=20)
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, limits=limits, trust_env=False) as http:
            api = Api(arguments.api.rstrip("/"), http, Contract())
            await play(stage, api, Outside(arguments.standin.rstrip("/"), http), arguments.data)
    except (NotSo, ContractBroken) as problem:
        stage.failed(str(problem))
        return 1
    except (httpx.HTTPError, WebSocketException, TimeoutError, OSError) as problem:
        stage.failed(f"{type(problem).__name__}: {problem}")
        return 1
    stage.table()
    return 0


def main(given: list[str]) -> int:
    """Play the demo day; return 0 only if all of it is so."""
    parser = argparse.ArgumentParser(prog="python -m switchboard.demo")
    parser.add_argument("--api", required=True, help="address of the API")
    parser.add_argument("--standin", required=True, help="address of the stand-in platforms")
    parser.add_argument("--data", required=True, type=Path, help="where demo.json is written")
    return asyncio.run(_run(parser.parse_args(given), Console()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
