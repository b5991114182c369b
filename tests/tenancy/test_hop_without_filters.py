"""Each wall alone: the walk with the repositories' own filters struck out, and the walk with row-level security off (G25)."""

from __future__ import annotations

import pytest

from server.config import Settings
from server.kit.db import Database
from tests.api import Api
from tests.tenancy.conftest import Unwalled
from tests.tenancy.forgetful import forgetting
from tests.tenancy.scenes import Scene, two_organizations, two_siblings

MANY = 200


@pytest.mark.parametrize("between", [two_organizations, two_siblings])
async def test_row_level_security_alone_shows_nothing_of_others(
    walk_api: Api, walk_database: Database, walk_settings: Settings, monkeypatch: pytest.MonkeyPatch, between: object
) -> None:
    scene: Scene = await between(walk_api, walk_database, walk_settings)  # type: ignore[operator]  # one of the two

    scene.hop.compares = False

    with forgetting(monkeypatch) as forgotten:
        await scene.walk()
        assert await scene.territory.checksums() == scene.checksums
        await scene.listen(walk_api)

    assert forgotten.organizations > MANY
    assert forgotten.units > 0 or between is two_organizations  # an owner's lists are not cut by unit
    assert scene.visible == []
    assert scene.sightings() == set()


@pytest.mark.parametrize("between", [two_organizations, two_siblings])
async def test_the_repositories_alone_show_nothing_of_others(unwalled: Unwalled, between: object) -> None:
    api, database, settings = unwalled
    scene: Scene = await between(api, database, settings)  # type: ignore[operator]  # one of the two
    scene.hop.compares = False

    await scene.walk()
    assert not scene.visible, scene.visible
    assert scene.sightings() == set()
    assert await scene.territory.checksums() == scene.checksums
    await scene.listen(api)

    assert scene.sightings() == set()
