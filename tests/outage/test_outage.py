"""A database or a broker that is away: said to the caller, nothing half done, and no restart when it is back."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from switchboard.postgres import Server, ensure_running
from tests.factories.inbox import messages_of
from tests.factories.sends import a_reply
from tests.outage.system import System, eventually
from tests.outage.talk import Talk, a_talk
from tests.standin_server import Platform

ROUNDS = 3
VIEWER = "{ viewer { name } }"


def is_unavailable(answer: httpx.Response) -> bool:
    """Say whether an answer is the promised one: 503, when to come back, and a body of the documented form."""
    body = answer.json()
    told = body["errors"][0]["extensions"] if "errors" in body else body["error"]
    assert told["requestId"], body
    assert told["code"] == ("UNAVAILABLE" if "errors" in body else "unavailable"), body
    return answer.status_code == 503 and int(answer.headers["retry-after"]) > 0


async def is_missed(system: System) -> bool:
    """Say whether the API is no longer ready."""
    return not await system.is_ready()


async def says_that_it_is_away(system: System, talk: Talk, webhook: bytes) -> bool:
    """Say whether queries, webhooks and readiness are refused as promised, and the process itself lives."""
    refused = [
        await system.ask(VIEWER, token=talk.agent.token),
        await system.tell(webhook),
        await system.get("/health/ready"),
    ]
    return all(map(is_unavailable, refused)) and (await system.get("/health/live")).status_code == 200


async def test_a_database_that_is_away_is_told_and_is_missed_no_longer_than_it_is_away(
    system: System, own_postgres: Server, own_database: Database, settings: Settings, platform: Platform
) -> None:
    # Given: a conversation, and three replies on their way out while the platform is slow.
    talk = await a_talk(own_database, settings, platform)
    await slow_platform(platform, 400)
    for number in range(ROUNDS):
        await a_reply(own_database, talk.shop, talk.contact_id, talk.psid, f"reply {number}")
    last_id = (await messages_of(own_database, talk.shop.organization, talk.conversation_id))[-1].id
    key, webhook = new_id().hex, talk.a_webhook(f"m_{new_id().hex}", "Hello?")

    # When: the database goes away.
    await asyncio.to_thread(own_postgres.stop)

    await eventually(lambda: is_missed(system), "readiness, which looks every 2 s, misses the database")

    # Then: everything that needs it says so, at once and also later, and the process itself lives.
    for _ in range(ROUNDS):
        assert is_unavailable(await talk.reply_having_seen(system, last_id, "the late reply", key))
        assert await says_that_it_is_away(system, talk, webhook)
    assert system.died() == []

    # When: it is back.
    await asyncio.to_thread(ensure_running, own_postgres.data_dir, durable=False)
    await slow_platform(platform, 0)
    await eventually(system.is_ready, "the API is ready again")

    # Then: the same processes go on; what failed succeeds once, and what was queued went out once.
    answers = [await talk.reply_having_seen(system, last_id, "the late reply", key) for _ in range(2)]
    assert len({answer.json()["data"]["conversationReply"]["message"]["id"] for answer in answers}) == 1
    assert [(await system.tell(webhook)).json()["stored"] for _ in range(2)] == [1, 0]
    expected = Counter({f"reply {number}": 1 for number in range(ROUNDS)} | {"the late reply": 1})
    await eventually(lambda: holds(talk, expected), f"the platform has {expected}")
    await eventually(lambda: has_message(talk, "Hello?"), "the webhook's message is in the inbox")
    assert (await talk.messages())["the late reply"] == (await talk.messages())["Hello?"] == 1
    await eventually(lambda: has_states(talk, "SENT", ROUNDS + 1), "every reply is known as sent")
    assert await talk.accepted() == expected
    assert system.died() == []


async def test_a_broker_that_is_away_delays_what_is_asked_for_and_loses_nothing(
    deaf_system: tuple[System, int], deaf_database: Database, settings: Settings, platform: Platform
) -> None:
    # Given: a system whose broker was never there.
    system, port = deaf_system
    talk = await a_talk(deaf_database, settings, platform)

    # When: somebody replies.
    answer = await talk.reply(system, "first", new_id().hex)
    assert answer.json()["data"]["conversationReply"]["message"]["state"] == "QUEUED"
    assert (await system.tell(talk.a_webhook(f"m_{new_id().hex}", "Hello?"))).status_code == 200

    # Then: that is kept as a row, and nothing is half done.
    await asyncio.sleep(2)
    assert await talk.waiting_jobs() > 0
    assert await talk.accepted() == Counter()
    assert await talk.states() == Counter({"QUEUED": 1})
    assert await system.is_ready()
    assert system.died() == []

    # When: the broker comes, goes with all it knew, and comes again.
    system.start_broker(port)
    await eventually(lambda: holds(talk, Counter(["first"])), "the reply goes out when the broker is there")
    await eventually(lambda: has_message(talk, "Hello?"), "the webhook's message is in the inbox")
    await eventually(lambda: has_states(talk, "SENT", 1), "the first reply is known as sent")
    system.kill("broker")
    answer = await talk.reply(system, "second", new_id().hex)
    assert answer.json()["data"]["conversationReply"]["userErrors"] == []
    assert await talk.accepted() == Counter(["first"])
    system.start_broker(port)

    # Then: each reply went out once, by the same processes.
    await eventually(lambda: holds(talk, Counter(["first", "second"])), "the second reply goes out")
    await eventually(lambda: has_states(talk, "SENT", 2), "both are known as sent")
    assert await talk.accepted() == Counter(["first", "second"])
    assert system.died() == []


async def holds(talk: Talk, expected: Counter[str]) -> bool:
    """Say whether the platform accepted at least this; what it accepted twice fails at once."""
    accepted = await talk.accepted()
    assert accepted <= expected, f"sent twice: {accepted - expected}"
    return accepted == expected


async def has_message(talk: Talk, text: str) -> bool:
    """Say whether the conversation has a message with this text."""
    return text in await talk.messages()


async def has_states(talk: Talk, state: str, count: int) -> bool:
    """Say whether so many outgoing messages stand there."""
    return await talk.states() == Counter({state: count})


async def slow_platform(platform: Platform, delay_ms: int) -> None:
    """Let the platform answer late, having accepted the message; 0 makes it quick again."""
    rules = [{"match": {"op": "send"}, "action": "late_after_accept", "delay_ms": delay_ms}] if delay_ms else []
    await platform.control("faults", {"seed": 1, "rules": rules}, method="PUT")
