"""Whatever order a conversation's webhooks come in, and however often, the inbox ends as if they had come in order (G38).

From the bytes of the bodies to the rows of the inbox, over every connector. One example plays hundreds of conversations of one
page at once, each in an order of its own, in several rounds with workers between them; a drain sorts what waits, so it is
the rounds that bring events late.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from server.channels import service as channels
from server.channels.service import PageRef
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms import registry
from server.platforms.port import Channel, Connector
from server.tenants.uow import begin
from tests.factories.channels import a_page
from tests.factories.tenants import AnOrganization, an_agency
from tests.flows.streams import STREAMS
from tests.web.senders import BUILT, Sender
from tests.workshop import Workshop
from workers.bind import answer

ORDERS = int(os.environ.get("WEBHOOK_ORDERS", "40"))
"""Conversations of each channel; each is a case of its own. The five channels make 2,000 cases with WEBHOOK_ORDERS=400."""
EXAMPLES = max(2, ORDERS // 200)
"""Hypothesis begins with the seed 0; from the second on it takes any."""
CASES = ORDERS // EXAMPLES
SETS = min(10, CASES // 4)
"""Different sets of events of one example; what a set must give is found out once, by telling it in order."""
REPLAYED = SETS
MOST_ROUNDS = 4
CHANNELS = [pytest.param(one, id=one.channel.value.lower()) for one in BUILT]
START_MS = 1_790_000_000_000

SHOWN = text("""
SELECT i.external_id, c.status, c.folder, c.unread_count, c.last_inbound_at, c.last_message_at,
  newest.platform_message_id AS newest, w.last_action_at,
  (SELECT count(*) FROM pending_change p WHERE p.organization_id = c.organization_id AND p.contact_id = i.contact_id) AS waiting,
  (SELECT json_agg(json_build_array(m.platform_message_id, m.direction, m.state, m.text, m.attachments,
    m.reply_to_platform_id, m.occurred_at, m.edit_number, m.reaction, m.reaction_at, m.unsent_at)
    ORDER BY m.occurred_at, m.platform_message_id)
   FROM message m WHERE m.organization_id = c.organization_id AND m.conversation_id = c.id) AS messages
FROM contact_identity i
LEFT JOIN conversation c ON c.organization_id = i.organization_id AND c.page_id = i.page_id AND c.contact_id = i.contact_id
LEFT JOIN message newest ON newest.organization_id = c.organization_id AND newest.id = c.last_message_id
LEFT JOIN messaging_window w ON w.organization_id = i.organization_id AND w.page_id = i.page_id
  AND w.contact_id = i.contact_id
WHERE i.page_id = :page
""")
SHOWN_IN_PUBLIC = text("""
SELECT split_part(t.post_id, ':', 4), json_agg(json_build_array(t.platform_id, t.kind, t.parent_id, t.is_own, i.external_id,
  t.person_name, t.text, t.visibility, t.occurred_at, t.told_at, t.is_edited, t.handled_at) ORDER BY t.platform_id)
FROM public_comment t
LEFT JOIN contact_identity i ON i.organization_id = t.organization_id AND i.page_id = t.page_id
  AND i.contact_id = t.contact_id
WHERE t.page_id = :page GROUP BY 1
""")
DRAINS = text("SELECT id FROM job WHERE organization_id = :it AND state = 'QUEUED' AND kind LIKE 'channels.drain%'")


@dataclass(frozen=True, slots=True)
class Scene:
    """A page of one platform, and those who work there."""

    organization: AnOrganization
    page: PageRef
    sender: Sender
    connector: Connector
    database: Database
    workshop: Workshop

    async def deliver(self, bodies: Sequence[bytes]) -> None:
        """Let bodies arrive together, as the API takes them, and let a worker apply them."""
        intake = channels.Intake(self.database)
        await asyncio.gather(*(intake.record(self.connector, body) for body in bodies))
        while jobs := await self.owed():
            for job_id in jobs:
                await answer(self.workshop.runtime, self.organization.id, job_id, dict(self.workshop.actors))

    async def owed(self) -> Sequence[UUID]:
        """The drains that nobody carried out yet."""
        async with begin(self.database, self.organization.scope) as uow:
            return (await uow.session.scalars(DRAINS, {"it": self.organization.id})).all()


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation, or one post with its comments, and which of its events are told."""

    person: str
    mark: str
    bodies: Sequence[bytes]

    def normal(self, shown: object) -> str:
        """What is shown of it without the names that are its own."""
        told = repr(shown).replace(self.mark, "MARK").replace(str(int(self.mark[:12], 16)), "NUMBER")
        return told.replace(self.person, "PERSON")

    def in_any_order(self, dice: random.Random) -> list[list[bytes]]:
        """Tell it in any order, some of it up to ten times, in one round or in as many as there are events."""
        told = [body for body in self.bodies for _ in range(dice.choice([1, 1, 1, 2, 3, 10]))]
        dice.shuffle(told)
        rounds: list[list[bytes]] = [[] for _ in range(dice.randint(1, MOST_ROUNDS))]
        for number, body in enumerate(told):
            rounds[number * len(rounds) // len(told)].append(body)
        return rounds


def a_talk(scene: Scene, kept: Sequence[int] | None = None) -> Talk:
    """A conversation with a person whom nobody knows yet; `kept` are the places of the events that are told."""
    mark = new_id().hex[20:] + new_id().hex[20:]
    person = str(int(mark[12:], 16) + 10**15)
    bodies = STREAMS[scene.sender.channel](scene.page.external_id, person, mark, START_MS)
    return Talk(person, mark, bodies if kept is None else [bodies[place] for place in kept])


async def what_is_shown(scene: Scene) -> dict[str, tuple[object, ...]]:
    """Everything a reader can see of each conversation of the page, by person, or of each post, by its number."""
    is_public = scene.sender.channel is Channel.LINKEDIN
    async with begin(scene.database, scene.organization.scope) as uow:
        rows = await uow.session.execute(SHOWN_IN_PUBLIC if is_public else SHOWN, {"page": scene.page.id})
        return {row[0]: tuple(row[1:]) for row in rows}


async def a_scene(database: Database, workshop: Workshop, sender: Sender, connector: Connector) -> Scene:
    """A page that nobody has written to."""
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"], channel=sender.channel)
    return Scene(agency, page, sender, connector, database, workshop)


async def tell(scene: Scene, plans: Sequence[list[list[bytes]]]) -> None:
    """Let the rounds of all conversations arrive, side by side."""
    for number in range(max(len(plan) for plan in plans)):
        await scene.deliver([body for plan in plans if number < len(plan) for body in plan[number]])


async def no_trouble(scene: Scene) -> None:
    """Nothing became a dead letter, and nothing is left over."""
    async with begin(scene.database, scene.organization.scope) as uow:
        states = await uow.session.execute(
            text("SELECT DISTINCT state, reason FROM platform_event WHERE page_id = :page"), {"page": scene.page.id}
        )
        assert states.all() == [("HANDLED", None)]


def some_sets(scene: Scene, dice: random.Random) -> list[list[int]]:
    """Sets of places of events: the whole stream, and others with gaps; half of them short, so that each pair meets."""
    places = range(len(a_talk(scene).bodies))
    sizes = [dice.randint(2, 4) if number % 2 else dice.randint(2, len(places)) for number in range(SETS - 1)]
    return [list(places), *(sorted(dice.sample(places, size)) for size in sizes)]


@pytest.mark.parametrize("sender", CHANNELS)
async def test_a_conversation_told_in_order_is_shown_as_it_happened(
    sender: Sender, database: Database, workshop: Workshop, settings: Settings
) -> None:
    connectors = registry.build(settings)
    scene = await a_scene(database, workshop, sender, connectors.of(sender.channel))
    talk = a_talk(scene)

    for body in talk.bodies:
        await scene.deliver([body])

    shown = (await what_is_shown(scene))[talk.person]
    if sender.channel is Channel.LINKEDIN:
        comments = [(one[3], one[6], one[7], one[10]) for one in shown[0]]
        assert comments == [
            (False, "Hello, do you have bread?", "VISIBLE", True),
            (True, "yes", "VISIBLE", False),
            (False, None, "REMOVED", True),
            (False, "thank you", "VISIBLE", False),
        ]
    else:
        assert (shown[0], shown[2] >= 3, shown[7]) == ("OPEN", True, 0)
        assert shown[8][0][3] == "Hello"
        assert len(shown[8]) == len({message[0] for message in shown[8]}) >= 4
        assert "READ" in {message[2] for message in shown[8]}
    await no_trouble(scene)
    await connectors.aclose()


@pytest.mark.parametrize("sender", CHANNELS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds; the printed seed is enough
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32))
async def test_any_order_repetition_gap_and_late_replay_gives_what_the_order_gave(
    sender: Sender, database: Database, workshop: Workshop, settings: Settings, seed: int
) -> None:
    # Given: sets of events with and without gaps, and what each gives when it is told in order, one by one.
    dice = random.Random(seed)
    connectors = registry.build(settings)
    scene = await a_scene(database, workshop, sender, connectors.of(sender.channel))
    sets = some_sets(scene, dice)
    orderly = [a_talk(scene, kept) for kept in sets]
    await tell(scene, [[[body] for body in talk.bodies] for talk in orderly])

    # When: many conversations with the events of some set are told anyhow.
    mixed = [(number % SETS, a_talk(scene, sets[number % SETS])) for number in range(CASES)]
    await tell(scene, [talk.in_any_order(dice) for _, talk in mixed])

    # Then: each shows what its set gave in order, and still does when it is told again after the raw events are long gone.
    shown = await what_is_shown(scene)
    expected = [talk.normal(shown.get(talk.person)) for talk in orderly]
    for which, talk in mixed:
        assert talk.normal(shown.get(talk.person)) == expected[which], (seed, sets[which])
    await no_trouble(scene)
    async with begin(scene.database, scene.organization.scope) as uow:
        await uow.session.execute(text("DELETE FROM platform_event WHERE page_id = :page"), {"page": scene.page.id})
    await tell(scene, [talk.in_any_order(dice) for _, talk in dice.sample(mixed, REPLAYED)])
    assert await what_is_shown(scene) == shown
    await connectors.aclose()
