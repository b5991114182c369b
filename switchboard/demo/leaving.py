"""The end of the day: nothing came twice, nothing was lost, and what others need to look around by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, urlencode

from switchboard.demo.api import Api, Json, Person
from switchboard.demo.cast import Cast, location_key
from switchboard.demo.outside import Outside
from switchboard.demo.telling import Stage
from switchboard.files import write_private

_APP_PERMISSIONS = ["INBOX_READ", "CONTACT_READ", "CHANNEL_READ"]


async def hire_app(stage: Stage, api: Api, cast: Cast) -> None:
    """Give a third party's app a token that reaches one client and nothing else."""
    wanted = {"name": "Helpdesk Sync", "permissions": _APP_PERMISSIONS, "unitId": cast.linden.unit_id}
    made = await api.ask(cast.admin, "TokenCreate", {"input": wanted})
    cast.app = Person("Helpdesk Sync", "third-party app", cast.admin.organization, made["secret"])
    pages = await api.all(cast.app, "Pages")
    stage.equal("what the app reaches", [page["id"] for page in pages], [cast.linden.page_id])
    write = await api.answer(cast.app, "LabelCreate", {"input": {"unitId": cast.linden.unit_id, "name": "x"}})
    refused = [one["code"] for one in write["data"]["labelCreate"]["userErrors"]]
    stage.equal("what the app may not do", refused, ["PERMISSION_DENIED"])
    stage.step("a third-party app has a token for one client, to read only")


async def nothing_lost(stage: Stage, api: Api, outside: Outside, cast: Cast) -> None:
    """Raise NotSo for a doubled message, a dead letter, or a send of which nobody knows."""
    summaries = [
        await outside.control(f"ledger/summary?page={place.external_id}", method="GET") for place in cast.clients
    ]
    stage.equal("messages that the platform took twice", [one["duplicates"] for one in summaries], [[], [], []])
    for person in (cast.admin, cast.brand):
        stage.equal(f"dead letters of {person.organization}", await api.all(person, "DeadLetters"), [])
        stage.equal(f"open sends of {person.organization}", await api.all(person, "OpenSends"), [])
    trail = await api.all(cast.admin, "AuditEvents")
    stage.equal("the trail's numbers", [one["seq"] for one in trail], list(range(len(trail), 0, -1)))
    stage.fact("messages the platform took, none twice", sum(one["accepted"] for one in summaries))
    stage.fact("dead letters, open sends", "0, 0")
    stage.fact("acts in the agency's audit trail, without gaps", len(trail))
    stage.step("nothing was lost, nothing came twice")


def told(api: Api, cast: Cast, *, played: bool) -> Json:
    """Return what demo.json holds: who can sign in, and where to look first."""
    people = [cast.admin, cast.approver, cast.brand, cast.location, *([cast.app] if cast.app else [])]
    return {
        "played": played,
        "people": [
            {
                "name": one.name,
                "role": one.role,
                "organization": one.organization,
                "token": one.token,
                "email": one.email,
                "password": one.password,
            }
            for one in people
        ],
        "queries": [{"title": title, "url": _link(api, name, variables)} for title, name, variables in _queries(cast)],
        "pages": [place.page_id for place in cast.clients],
    }


def _queries(cast: Cast) -> list[tuple[str, str, Json]]:
    return [
        ("Who am I, and what may I do? (anybody)", "Viewer", {}),
        ("The inbox (agency admin, location manager, app)", "Inbox", {"first": 10}),
        ("The campaign and its results (client approver)", "Campaign", {"id": cast.campaign_id}),
        (
            "What location 7 says (HQ brand manager)",
            "EffectiveTemplates",
            {"unitId": cast.franchise_units[location_key(7)]},
        ),
        ("The audit trail (agency admin)", "AuditEvents", {"first": 20}),
    ]


def _link(api: Api, name: str, variables: Json) -> str:
    """Return GraphiQL's address with an operation in it. GraphiQL reads `q`, and takes a plus sign for a plus sign."""
    lines = api.contract.operation(name).text.splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    given = {"q": text} | ({"variables": json.dumps(variables)} if variables else {})
    return f"{api.url}/graphql?{urlencode(given, quote_via=quote)}"


def keep(data: Path, content: Json) -> None:
    """Write demo.json, for its owner alone."""
    data.mkdir(parents=True, exist_ok=True)
    write_private(data / "demo.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
