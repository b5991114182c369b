"""Who plays: an agency with three clients, a franchisor with fifty locations, and their people.

Nobody signs up unasked, so an operator's command makes them (`python -m server.seed`, in a process of its own).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from dataclasses import dataclass, field, replace

from switchboard.demo.api import Json, Person
from switchboard.demo.telling import NotSo

AGENCY, FRANCHISOR = "Kestrel & Co", "Brightwash"
CLIENTS = {"linden": "Linden Bakery", "harbour": "Harbour Gym", "vela": "Vela Travel"}
PUBLISHED_PAGES = {"linden": "12345654332", "harbour": "1234567890321", "vela": "PAGE_ID_123"}
"""The pages that the published webhook bodies name."""
REGIONS = ("North", "East", "South", "West", "Coast")
LOCATIONS = 50
PUBLISHED_PERSON = "987654321432"


@dataclass(slots=True)
class Place:
    """One page of the play, and whose it is."""

    key: str
    unit_id: str
    external_id: str
    name: str
    page_id: str = ""


@dataclass(slots=True)
class Cast:
    """Everybody and everything that the scenes share."""

    run: str
    admin: Person
    agent: Person
    approver: Person
    brand: Person
    location: Person
    agency_units: dict[str, str]
    franchise_units: dict[str, str]
    clients: list[Place] = field(default_factory=list)
    locations: list[Place] = field(default_factory=list)
    app: Person | None = None
    topic_id: str = ""
    campaign_id: str = ""

    @property
    def linden(self) -> Place:
        """Return the client whose campaign goes out."""
        return self.clients[0]

    @property
    def places(self) -> list[Place]:
        """Return all pages of both organizations."""
        return [*self.clients, *self.locations]


def location_key(number: int) -> str:
    """Return the key of a location, from 1."""
    return f"location-{number:02}"


async def engage() -> Cast:
    """Have an operator make both organizations, and return everybody with their tokens."""
    run, password = secrets.token_hex(3), secrets.token_urlsafe(12)
    made = await _seed(_plan(run, password))
    agency, franchise = made["agency"], made["franchise"]
    cast = Cast(
        run=run,
        admin=replace(
            _person(agency, "mara", "agency admin", AGENCY), email=f"mara.{run}@example.com", password=password
        ),
        agent=_person(agency, "jonas", "agency agent", AGENCY),
        approver=_person(agency, "carla", "client approver", AGENCY),
        brand=_person(franchise, "ines", "HQ brand manager", FRANCHISOR),
        location=_person(franchise, "tom", "location manager", FRANCHISOR),
        agency_units=agency["units"],
        franchise_units=franchise["units"],
    )
    cast.clients = [Place(key, cast.agency_units[key], PUBLISHED_PAGES[key], name) for key, name in CLIENTS.items()]
    cast.locations = [
        Place(key, cast.franchise_units[key], f"{int(run, 16)}{number:03}", f"{FRANCHISOR} {number:02}")
        for number in range(1, LOCATIONS + 1)
        for key in (location_key(number),)
    ]
    return cast


def _plan(run: str, password: str) -> Json:
    return {"organizations": [_agency(run, password), _franchise()]}


def _agency(run: str, password: str) -> Json:
    clients = [
        {"key": key, "kind": "CLIENT", "name": name, "attributes": {"phone": f"+49 30 55501{number}0"}}
        for number, (key, name) in enumerate(CLIENTS.items())
    ]
    people = [
        # An address of this play alone: an account of an earlier one would keep its own password.
        _wanted("mara", "Mara Lind", "ADMIN") | {"email": f"mara.{run}@example.com", "password": password},
        _wanted("jonas", "Jonas Weber", "OPERATOR"),
        _wanted("carla", "Carla Brandt", "APPROVER", "linden"),
    ]
    return _organization("agency", "AGENCY", AGENCY, clients, people)


def _franchise() -> Json:
    regions = [{"key": f"region-{name}", "kind": "REGION", "name": f"Region {name}"} for name in REGIONS]
    locations = [
        {
            "key": location_key(number),
            "kind": "LOCATION",
            "name": f"{FRANCHISOR} {number:02}",
            "parent": f"region-{REGIONS[number % len(REGIONS)]}",
            "code": f"BW-{number:03}",
            "attributes": {"city": f"City {number:02}", "phone": f"+49 40 7000{number:02}"},
        }
        for number in range(1, LOCATIONS + 1)
    ]
    people = [_wanted("ines", "Ines Falk", "MANAGER"), _wanted("tom", "Tom Adler", "MANAGER", location_key(7))]
    return _organization("franchise", "FRANCHISOR", FRANCHISOR, [*regions, *locations], people)


def _organization(key: str, kind: str, name: str, units: list[Json], people: list[Json]) -> Json:
    return {"key": key, "kind": kind, "name": name, "time_zone": "Europe/Berlin", "units": units, "people": people}


def _wanted(key: str, name: str, role: str, unit: str = "root") -> Json:
    return {"key": key, "name": name, "email": f"{key}@example.com", "roles": [{"role": role, "unit": unit}]}


def _person(made: Json, key: str, role: str, organization: str) -> Person:
    told = made["people"][key]
    return Person(told["name"], role, organization, told["token"])


async def _seed(plan: Json) -> Json:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.seed", "--file", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaint = await child.communicate(json.dumps(plan).encode())
    if child.returncode != 0:
        raise NotSo(f"the operator's command failed ({child.returncode}): {complaint.decode()[-500:]}")
    made: Json = json.loads(told)["organizations"]
    return made
