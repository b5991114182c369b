"""Quotas in PostgreSQL: exact under concurrency, shared between organizations, kept when processes die."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from server.channels.service import PageRef
from server.kit.clock import database_now
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Quota
from server.platforms.port import Act, Channel, QuotaScope, Usage
from server.sends import quota
from server.sends.quota import Allowances
from server.sends.quota_rules import Asker
from server.tenants.uow import system_scope

SEND = frozenset({Act.SEND})
HOUR = timedelta(hours=1)


def allowances(*quotas: Quota, app: str | None = None) -> Allowances:
    """Allowances of a page and an app that nobody else uses."""
    page = PageRef(new_id(), new_id(), Channel.MESSENGER, new_id().hex, "Bakery")
    capability = replace(catalogue.CATALOGUE[Channel.MESSENGER][-1], quotas=quotas)
    return Allowances(page, app or new_id().hex, capability, 25.0)


def granted(tokens: quota.Tokens) -> int:
    """Count the calls that may go."""
    return sum(wait is None for wait in tokens.waits_s)


async def test_fifty_askers_at_once_get_the_limit_between_them_and_never_more(database: Database) -> None:
    mine = allowances(Quota(Act.SEND, QuotaScope.PAGE, 30, HOUR))

    found = await asyncio.gather(*(quota.take(database, mine, [SEND] * 3, Asker(new_id(), True)) for _ in range(50)))

    assert sum(granted(tokens) for tokens in found) == 30


async def test_tokens_of_calls_that_were_never_made_are_given_back(database: Database) -> None:
    mine = allowances(Quota(Act.SEND, QuotaScope.PAGE, 10, HOUR), Quota(Act.SEND, QuotaScope.APP, 8, HOUR))
    who = Asker(new_id(), True)
    first = await quota.take(database, mine, [SEND] * 10, who)
    first.unused = [SEND] * 6
    await quota.settle(database, first)

    second = await quota.take(database, mine, [SEND] * 10, who)

    assert (granted(first), granted(second)) == (8, 6)


async def test_the_next_take_settles_what_ended_in_one_go(database: Database) -> None:
    mine = allowances(Quota(Act.SEND, QuotaScope.PAGE, 10, HOUR))
    who = Asker(new_id(), True)
    first = await quota.take(database, mine, [SEND] * 10, who)
    first.unused = [SEND] * 10

    second = await quota.take(database, mine, [SEND] * 4, who, ended=first)

    assert (granted(first), granted(second)) == (10, 4)


async def test_one_page_that_is_full_takes_nothing_from_another(database: Database) -> None:
    rule = Quota(Act.SEND, QuotaScope.PAGE, 2, HOUR)
    one = allowances(rule)
    other = replace(allowances(rule), app=one.app)
    await quota.take(database, one, [SEND] * 5, Asker(new_id(), True))

    assert granted(await quota.take(database, one, [SEND], Asker(new_id(), True))) == 0
    assert granted(await quota.take(database, other, [SEND], Asker(new_id(), True))) == 1


async def test_an_app_is_shared_by_organizations_and_its_last_fifth_goes_to_replies(database: Database) -> None:
    mine = allowances(Quota(Act.SEND, QuotaScope.APP, 10, HOUR))

    campaign = await quota.take(database, mine, [SEND] * 10, Asker(new_id(), False))
    again = await quota.take(database, mine, [SEND], Asker(new_id(), False))
    reply = await quota.take(database, mine, [SEND] * 5, Asker(new_id(), True))

    assert (granted(campaign), granted(again), granted(reply)) == (8, 0, 2)


async def test_what_the_platform_tells_holds_for_everybody_who_asks_later(database: Database) -> None:
    mine = allowances()
    who = Asker(new_id(), True)
    async with system_scope(database) as session:
        now = await database_now(session)
    told = [
        Usage(QuotaScope.PAGE, Act.SEND, remaining=5, resets_at=now + HOUR),
        Usage(QuotaScope.PAGE, Act.SEND, remaining=3, resets_at=now + HOUR),
    ]

    await quota.tell(database, mine, told)
    first = await quota.take(database, mine, [SEND] * 9, who)
    await quota.tell(database, mine, [Usage(QuotaScope.PAGE, Act.SEND, remaining=2, resets_at=now + HOUR)])
    second = await quota.take(database, mine, [SEND] * 9, who)

    assert (granted(first), granted(second)) == (3, 0)
    assert max(wait for wait in second.waits_s if wait is not None) > 3_500


async def test_an_app_that_is_told_to_wait_holds_all_of_its_pages(database: Database) -> None:
    one = allowances()
    other = replace(allowances(), app=one.app)
    await quota.tell(database, one, [Usage(QuotaScope.APP, Act.SEND, wait_s=60)])

    held = await quota.take(database, other, [SEND], Asker(new_id(), True))
    elsewhere = await quota.take(database, allowances(), [SEND], Asker(new_id(), True))

    assert granted(held) == 0
    assert 50 < (held.waits_s[0] or 0) <= 60
    assert granted(elsewhere) == 1


async def test_a_call_that_counts_twice_needs_room_in_both(database: Database) -> None:
    mine = allowances(Quota(Act.SEND, QuotaScope.PAGE, 10, HOUR), Quota(Act.PRIVATE_REPLY, QuotaScope.PAGE, 2, HOUR))
    both = frozenset({Act.SEND, Act.PRIVATE_REPLY})

    tokens = await quota.take(database, mine, [both, both, both, SEND], Asker(new_id(), True))

    assert [wait is None for wait in tokens.waits_s] == [True, True, False, True]


async def test_lists_take_tokens_as_well(database: Database) -> None:
    mine = allowances(Quota(Act.LIST, QuotaScope.PAGE, 1, HOUR))

    first = await quota.take_one(database, mine, Act.LIST, new_id())
    second = await quota.take_one(database, mine, Act.LIST, new_id())

    assert first.waits_s == (None,)
    assert second.waits_s[0] is not None
