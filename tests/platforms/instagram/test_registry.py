"""When Instagram is offered."""

from __future__ import annotations

import pytest

from server.config import Settings
from server.platforms.port import Ability, Channel, Login
from server.platforms.registry import build


async def test_instagram_is_offered_with_its_own_app_and_by_facebook_where_messenger_s_is_there_too(
    surroundings: pytest.MonkeyPatch,
) -> None:
    surroundings.setenv("INSTAGRAM_APP_ID", "1")
    assert build(Settings()).channels() == ()
    surroundings.setenv("INSTAGRAM_APP_SECRET", "s")

    alone = build(Settings()).of(Channel.INSTAGRAM)
    surroundings.setenv("MESSENGER_APP_ID", "2")
    surroundings.setenv("MESSENGER_APP_SECRET", "s")
    beside = build(Settings()).of(Channel.INSTAGRAM)

    assert alone.logins == (Login.DIRECT,)
    assert beside.logins == (Login.DIRECT, Login.FACEBOOK)
    assert alone.abilities == {Ability.REFRESH, Ability.SIGNED_CALLBACKS}
    assert alone.app == "instagram:1"
    await alone.aclose()
    await beside.aclose()
