"""Scene d: headquarters publishes a template and releases it to fifty locations; one location has words of its own."""

from __future__ import annotations

from switchboard.demo.answering import released
from switchboard.demo.api import Api, Json, Person
from switchboard.demo.cast import LOCATIONS, Cast, location_key
from switchboard.demo.telling import NotSo, Stage

_NAME = "Opening hours"
_FIRST = "{{ unit.name }} is open from 8 to 18."
_SECOND = "{{ unit.name }} in {{ unit.city }} is open from 8 to 20."
_THIRD = "{{ unit.name }} in {{ unit.city }} is open from 7 to 20."
_OWN = "Here in {{ unit.city }} we are open until midnight."


async def play(stage: Stage, api: Api, cast: Cast) -> None:
    """Publish, release, override, release again."""
    root = cast.franchise_units["root"]
    wanted = {"unitId": root, "name": _NAME, "purpose": "REPLY", "body": _FIRST}
    template_id = (await api.ask(cast.brand, "TemplateCreate", {"input": wanted}))["template"]["id"]
    await _publish(stage, api, cast, template_id, _SECOND, 2)
    release = await released(api, cast.brand, template_id, root, LOCATIONS)
    stage.step(f"HQ released version 2 to {release['placed']} locations")
    seven, eight = (cast.franchise_units[location_key(number)] for number in (7, 8))
    own = {"unitId": seven, "templateId": template_id, "body": _OWN}
    await api.ask(cast.location, "TemplateOverride", {"input": own})
    elsewhere = own | {"unitId": eight}
    stage.equal(
        "overriding at another location", await api.refusal(cast.location, "TemplateOverride", {"input": elsewhere}),
        "NOT_FOUND",
    )  # fmt: skip
    stage.equal("what location 7 says", await _says(api, cast.location, seven), (_OWN, 2, True, "OVERRIDDEN"))
    stage.equal("what location 8 says", await _says(api, cast.brand, eight), (_SECOND, 2, False, "INHERITS"))
    stage.step("location 7 wrote words of its own; location 8 says what HQ says")
    await _publish(stage, api, cast, template_id, _THIRD, 3)
    third = await released(api, cast.brand, template_id, root, LOCATIONS)
    stage.equal("own wordings that the release kept", third["keptOverrides"], 1)
    stage.equal("what location 7 says", await _says(api, cast.location, seven), (_OWN, 3, True, "STALE_OVERRIDE"))
    stage.equal("what location 8 says", await _says(api, cast.brand, eight), (_THIRD, 3, False, "INHERITS"))
    stage.step("version 3 reached all but the one that keeps its own words, and HQ sees the drift")
    stage.fact("locations that a release reached", third["placed"])
    stage.fact("own wordings kept and shown as stale", third["keptOverrides"])


async def _publish(stage: Stage, api: Api, cast: Cast, template_id: str, body: str, number: int) -> None:
    made = await api.ask(cast.brand, "TemplatePublishVersion", {"input": {"templateId": template_id, "body": body}})
    stage.equal("the version's number", made["version"]["number"], number)


async def _says(api: Api, person: Person, unit_id: str) -> tuple[str, int, bool, str]:
    found: list[Json] = await api.all(person, "EffectiveTemplates", {"unitId": unit_id, "search": _NAME})
    if len(found) != 1:
        raise NotSo(f"{len(found)} templates are called {_NAME} there")
    (said,) = found
    return said["body"], said["releasedNumber"], said["isOverride"], said["drift"]
