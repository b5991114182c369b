"""The same walk inside of one organization: a manager of one client asks for everything of another client (G20, G22)."""

from __future__ import annotations

from server.config import Settings
from server.kit.db import Database
from tests.api import Api
from tests.tenancy.hop import codes_of
from tests.tenancy.scenes import MANY, two_siblings


async def test_nothing_of_a_sibling_is_shown_told_or_changed(
    walk_api: Api, walk_database: Database, walk_settings: Settings
) -> None:
    scene = await two_siblings(walk_api, walk_database, walk_settings)
    assert await scene.territory.unmarked(scene.canary) == []
    assert len(scene.shown_to_its_owner) > MANY

    await scene.walk()

    assert codes_of(scene.hop.asker.heard).keys() <= {"BAD_REQUEST", "FORBIDDEN"}
    assert scene.visible == []
    assert await scene.territory.checksums() == scene.checksums
    await scene.listen(walk_api)
    assert scene.sightings() == set()
    assert scene.hop.differences == []
