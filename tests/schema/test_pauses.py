"""A place that was given up for a while, and is not there any more afterwards."""

from __future__ import annotations

import asyncio

import pytest

from server.kit.admission import Turn
from server.kit.errors import Busy
from server.kit.turns import Room, Turns


async def test_whoever_finds_no_way_back_from_a_pause_is_told_busy_and_holds_no_place() -> None:
    turns = Turns(Room(size=1, share=1, line=5, most=10, patience_s=0.05))

    async def pausing() -> None:
        async with Turn(turns, "a").held() as turn, turn.paused():
            await turns.enter("b")

    with pytest.raises(Busy):
        await pausing()

    turns.leave("b")
    async with asyncio.timeout(1), turns.turn("c"):
        assert turns._inside == 1
