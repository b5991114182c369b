"""Scene a: both organizations connect their Messenger pages through the consent dialogue."""

from __future__ import annotations

from switchboard.demo.api import Api, Json, Person
from switchboard.demo.cast import Cast, Place
from switchboard.demo.outside import Outside
from switchboard.demo.telling import NotSo, Stage, until

_RETURN = "https://app.example.com/connected"


async def play(stage: Stage, api: Api, outside: Outside, cast: Cast) -> None:
    """Connect three client pages and fifty location pages, and wait until their webhooks are subscribed."""
    await _refused(stage, api, outside, cast)
    taken = await _connect(stage, api, outside, cast, cast.admin, cast.agency_units["root"], cast.clients)
    if taken:
        stage.step(f"{len(taken)} published pages belong to an earlier play; others stand in for them")
        for place in taken:
            place.external_id = f"{int(cast.run, 16)}9{cast.clients.index(place)}"
        again = await _connect(stage, api, outside, cast, cast.admin, cast.agency_units["root"], taken)
        stage.equal("pages that are taken", again, [])
    stage.step("the agency connected the pages of its three clients")
    root = cast.franchise_units["root"]
    stage.equal("pages that are taken", await _connect(stage, api, outside, cast, cast.brand, root, cast.locations), [])
    stage.step("the franchisor connected the pages of its 50 locations in one call")
    for person, places in ((cast.admin, cast.clients), (cast.brand, cast.locations)):
        await until("every page's webhooks subscribed", lambda p=person, n=places: _subscribed(api, p, n))  # type: ignore[misc]
    stage.step("the platform sends us their webhooks")
    stage.fact("pages connected and subscribed", f"{len(cast.clients)} + {len(cast.locations)}")


async def _refused(stage: Stage, api: Api, outside: Outside, cast: Cast) -> None:
    person = f"{cast.run}1"
    await outside.control("people", [{"id": person, "name": "Mara Lind"}, {"id": f"{cast.run}2", "name": "Ines Falk"}])
    begun = await _begin(api, cast.admin, cast.agency_units["root"])
    came = await outside.consent(begun["authorizeUrl"], person, action="refuse")
    stage.equal("a refused dialogue", came, {"connection": begun["connection"]["id"], "error": "access_denied"})


async def _begin(api: Api, person: Person, unit_id: str) -> Json:
    wanted = {"channel": "MESSENGER", "unitId": unit_id, "returnUrl": _RETURN}
    begun: Json = await api.ask(person, "ChannelConnectBegin", {"input": wanted})
    return begun


async def _connect(
    stage: Stage, api: Api, outside: Outside, cast: Cast, person: Person, unit_id: str, places: list[Place]
) -> list[Place]:
    """Connect these pages; return those that another organization holds."""
    login = f"{cast.run}{1 if person is cast.admin else 2}"
    await outside.control("pages", [_page(place, login, cast) for place in places])
    begun = await _begin(api, person, unit_id)
    came = await outside.consent(begun["authorizeUrl"], login)
    connection = {"id": begun["connection"]["id"], "completion": came["completion"]}
    found = await api.ask(person, "ChannelConnection", connection)
    offered = {page["externalId"] for page in found["pages"]}
    stage.true("the dialogue found the pages", {place.external_id for place in places} <= offered)
    chosen = [{"externalId": place.external_id, "unitId": place.unit_id} for place in places]
    wanted = {"connectionId": connection["id"], "completion": connection["completion"], "pages": chosen}
    done = await api.ask(person, "ChannelConnectFinish", {"input": wanted})
    return [place for place, line in zip(places, done["results"], strict=True) if _is_taken(place, line)]


def _is_taken(place: Place, line: Json) -> bool:
    if line["page"] is not None:
        place.page_id = line["page"]["id"]
        return False
    codes = [error["code"] for error in line["userErrors"]]
    if codes != ["CHANNEL_PAGE_TAKEN"]:
        raise NotSo(f"the page {place.name} was not connected: {', '.join(codes)}")
    return True


def _page(place: Place, login: str, cast: Cast) -> Json:
    page: Json = {"id": place.external_id, "name": place.name, "people": [login]}
    if place is cast.linden:
        page["ad_account"] = {"id": f"act_{int(cast.run, 16)}", "name": place.name, "currency": "EUR"}
    return page


async def _subscribed(api: Api, person: Person, places: list[Place]) -> bool:
    nodes = await api.all(person, "Pages")
    ready = {page["id"] for page in nodes if page["subscribedAt"] is not None and page["health"] == "HEALTHY"}
    return {place.page_id for place in places} <= ready
