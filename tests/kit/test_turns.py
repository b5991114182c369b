"""Turns: a share for each party, lines served in rotation, and a refusal at once where there is no place to wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from server.kit.errors import Busy
from server.kit.turns import LineIsFull, Room, Turns

ROOM = Room(size=4, share=2, line=3, most=5, patience_s=30)


async def a_guest(turns: Turns, who: str, inside: list[str], leave: asyncio.Event) -> None:
    """Take a turn and keep it until told to leave."""
    async with turns.turn(who):
        inside.append(who)
        await leave.wait()


async def settled() -> None:
    """Let everybody who can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_nobody_has_more_than_a_share_and_all_together_no_more_than_the_room() -> None:
    turns, inside, leave = Turns(ROOM), [], asyncio.Event()
    guests = [asyncio.create_task(a_guest(turns, who, inside, leave)) for who in ("a", "a", "a", "b", "b", "c")]
    await settled()

    assert sorted(inside) == ["a", "a", "b", "b"]

    leave.set()
    await asyncio.gather(*guests)
    assert sorted(inside) == ["a", "a", "a", "b", "b", "c"]


async def test_places_are_kept_for_parties_that_have_nobody_inside() -> None:
    turns, inside, leave = Turns(Room(size=4, share=2, line=3, most=9, patience_s=30, kept=1)), [], asyncio.Event()
    guests = [asyncio.create_task(a_guest(turns, who, inside, leave)) for who in ("a", "a", "b", "b", "c")]
    await settled()

    assert sorted(inside) == ["a", "a", "b", "c"]

    leave.set()
    await asyncio.gather(*guests)


async def test_a_party_of_one_waits_for_one_turn_and_not_for_a_long_line() -> None:
    turns = Turns(Room(size=1, share=1, line=50, most=100, patience_s=30))
    order: list[str] = []

    async def once(who: str) -> None:
        async with turns.turn(who):
            order.append(who)
            await asyncio.sleep(0)

    crowd = [asyncio.create_task(once("crowd")) for _ in range(20)]
    await settled()
    served_before = len(order)
    await asyncio.gather(*crowd, once("one"))

    assert order.index("one") <= served_before + 2


async def test_who_finds_the_line_full_is_told_at_once_and_others_are_let_in() -> None:
    turns, inside, leave = Turns(ROOM), [], asyncio.Event()
    guests = [asyncio.create_task(a_guest(turns, "a", inside, leave)) for _ in range(5)]
    await settled()

    with pytest.raises(LineIsFull) as refused:
        await turns.enter("a")
    await turns.enter("b")

    assert refused.value.retry_after_s >= 1
    leave.set()
    await asyncio.gather(*guests)


async def test_when_too_many_wait_in_all_it_is_busy() -> None:
    turns, inside, leave = Turns(Room(size=1, share=1, line=3, most=2, patience_s=30)), [], asyncio.Event()
    guests = [asyncio.create_task(a_guest(turns, who, inside, leave)) for who in ("a", "b", "c")]
    await settled()

    with pytest.raises(Busy):
        await turns.enter("d")

    leave.set()
    await asyncio.gather(*guests)


async def test_patience_ends_and_the_place_in_the_line_with_it() -> None:
    turns = Turns(Room(size=1, share=1, line=1, most=1, patience_s=0.01))
    await turns.enter("a")

    with pytest.raises(Busy):
        await turns.enter("a")
    turns.leave("a")

    await turns.enter("a")


async def test_who_is_cut_off_while_waiting_takes_no_turn_with_it() -> None:
    turns, inside, leave = Turns(Room(size=1, share=1, line=5, most=5, patience_s=30)), [], asyncio.Event()
    first = asyncio.create_task(a_guest(turns, "a", inside, leave))
    await settled()
    gone = [asyncio.create_task(a_guest(turns, who, inside, leave)) for who in ("a", "b")]
    await settled()
    for one in gone:
        one.cancel()
    leave.set()
    await first
    for one in gone:
        with suppress(asyncio.CancelledError):
            await one

    await asyncio.wait_for(turns.enter("c"), 5)
    assert inside == ["a"]


async def test_who_is_let_in_and_cut_off_in_the_same_moment_leaves_the_turn_to_others() -> None:
    turns = Turns(Room(size=1, share=1, line=5, most=5, patience_s=30))
    await turns.enter("a")
    waiting = asyncio.create_task(turns.enter("b"))
    await settled()

    turns.leave("a")
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting

    await asyncio.wait_for(turns.enter("c"), 5)
