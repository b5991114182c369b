"""Schema-driven: whatever the schema offers, asked for with the ids of others (reliability.md G20, G22).

Nothing here names a field. A field that the walk cannot call is a failure, not a gap.
"""

from __future__ import annotations

import itertools

from server.schema.anonymous import anonymous_fields
from server.schema.root import build
from tests.api import Api
from tests.tenancy.asking import Asker, Call, filled
from tests.tenancy.hop import codes_of
from tests.tenancy.scenes import MANY, Scene, spare_tokens

FOR_ANYBODY = anonymous_fields(build(introspection=False))
"""How somebody becomes known; tests/schema tries what strangers may do with it."""


async def test_nothing_of_another_organization_is_shown_told_or_changed(walk_api: Api, organizations: Scene) -> None:
    # Given: an organization in which every text of every table is marked, and an owner of another one.
    scene = organizations
    assert await scene.territory.unmarked(scene.canary) == []
    assert {one.name for one in scene.shapes.node_types()} <= scene.hop.foreign.ids.keys()
    assert len(scene.shown_to_its_owner) > MANY, "the walk would not see a mark if it were shown"

    # When: the owner asks for everything of it in every way, and calls everything with ids of their own.
    await scene.walk()
    assert codes_of(scene.hop.asker.heard).keys() <= {"BAD_REQUEST"}
    assert await scene.territory.checksums() == scene.checksums
    spare = await spare_tokens(scene.mine)
    assert await scene.hop.uncallable("query", itertools.repeat(scene.mine.person.token)) == []
    assert await scene.hop.uncallable("mutation", iter(spare)) == []

    # Then: nothing was seen of it, nothing was told about it, and nothing of it was changed.
    assert scene.visible == []
    assert await scene.territory.checksums() == scene.checksums
    await scene.listen(walk_api)
    assert scene.sightings() == set()
    assert scene.hop.differences == []


async def test_who_does_not_sign_in_is_told_that_and_nothing_else(walk_api: Api, organizations: Scene) -> None:
    scene = organizations
    before = await scene.territory.checksums()
    nobody = Asker(walk_api, scene.shapes, None)

    for operation in ("query", "mutation"):
        for name, one in scene.shapes.roots(operation).items():
            if name in FOR_ANYBODY:
                continue
            variant = scene.shapes.variants(one)[0]
            ids = [scene.hop.foreign.some(place.type_name)[0] for place in variant.places()]
            await nobody.ask(operation, name, one, [Call(filled(variant.arguments, ids))], 2)

    assert codes_of(nobody.heard) == {"UNAUTHENTICATED": len(nobody.heard)}
    assert {str(value) for heard in nobody.heard for value in (heard.body.get("data") or {}).values()} <= {"None"}
    assert await scene.territory.checksums() == before
