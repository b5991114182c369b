"""A decision binds exactly the content that was shown, by people who did not write it, once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from server.approvals import service as approvals
from server.approvals.errors import (
    AlreadyDecided,
    AlreadyPending,
    AlreadyVoted,
    ContentChanged,
    PersonNeeded,
    SelfApproval,
)
from server.approvals.models import ApprovalState, Verdict
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import DomainError, NotFound, PermissionDenied
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.tenants.rules import Role
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from tests.factories.approvals import DIGEST, a_request
from tests.factories.tenants import a_person, an_agency


async def test_an_approver_of_the_client_approves_what_an_agency_member_wrote(
    database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    client = agency.units["client 1"]
    author = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    approver = await a_person(database, settings, agency, client, Role.APPROVER)
    asked = await a_request(database, agency, client, authors=frozenset({author.member_id}))

    async with begin(database, approver.scope) as uow:
        decided = await approvals.decide(uow, asked.id, Verdict.APPROVE, "good", DIGEST)

    assert decided.state is ApprovalState.APPROVED
    assert decided.decided_at is not None
    async with begin_read(database, approver.scope) as uow:
        (decision,) = (await approvals.decisions_of(uow, [asked.id]))[asked.id]
    assert (decision.member_id, decision.comment, bytes(decision.content_digest)) == (
        approver.member_id,
        "good",
        DIGEST,
    )


async def test_nobody_decides_on_what_they_wrote_even_as_the_owner(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    asked = await a_request(database, agency, agency.units["client 1"], authors=frozenset({owner.member_id}))

    with pytest.raises(SelfApproval):
        async with begin(database, owner.scope) as uow:
            await approvals.decide(uow, asked.id, Verdict.APPROVE, None, DIGEST)

    async with begin_read(database, owner.scope) as uow:
        assert (await approvals.requests_by_id(uow, [asked.id]))[asked.id].state is ApprovalState.PENDING


async def test_another_digest_than_the_one_asked_for_is_refused_and_the_current_one_is_named(
    database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    approver = await a_person(database, settings, agency, agency.root_id, Role.APPROVER)
    asked = await a_request(database, agency, agency.units["client 1"])

    with pytest.raises(ContentChanged) as refused:
        async with begin(database, approver.scope) as uow:
            await approvals.decide(uow, asked.id, Verdict.APPROVE, None, b"x" * 32)

    assert refused.value.data == {"digest": DIGEST.hex()}


async def test_a_voided_request_can_no_longer_be_decided(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    approver = await a_person(database, settings, agency, agency.root_id, Role.APPROVER)
    asked = await a_request(database, agency, agency.units["client 1"])
    async with begin(database, agency.scope) as uow:
        assert await approvals.void(uow, asked.subject_id)

    with pytest.raises(ContentChanged):
        async with begin(database, approver.scope) as uow:
            await approvals.decide(uow, asked.id, Verdict.APPROVE, None, DIGEST)


async def test_void_also_takes_an_approval_back_but_leaves_a_rejection(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    approver = await a_person(database, settings, agency, agency.root_id, Role.APPROVER)
    granted = await a_request(database, agency, agency.units["client 1"])
    refused = await a_request(database, agency, agency.units["client 1"])
    async with begin(database, approver.scope) as uow:
        await approvals.decide(uow, granted.id, Verdict.APPROVE, None, DIGEST)
        await approvals.decide(uow, refused.id, Verdict.REJECT, None, DIGEST)

    async with begin(database, agency.scope) as uow:
        assert await approvals.void(uow, granted.subject_id)
        assert not await approvals.void(uow, refused.subject_id)

    async with begin_read(database, agency.scope) as uow:
        found = await approvals.current_by_subject(uow, [granted.subject_id, refused.subject_id])
    assert found[granted.subject_id].state is ApprovalState.VOIDED
    assert found[refused.subject_id].state is ApprovalState.REJECTED


async def test_a_subject_waits_for_one_decision_at_a_time(database: Database) -> None:
    agency = await an_agency(database)
    client = agency.units["client 1"]
    asked = await a_request(database, agency, client)

    with pytest.raises(AlreadyPending):
        await a_request(database, agency, client, subject_id=asked.subject_id)

    async with begin(database, agency.scope) as uow:
        await approvals.void(uow, asked.subject_id)
    again = await a_request(database, agency, client, subject_id=asked.subject_id, digest=b"e" * 32)
    async with begin_read(database, agency.scope) as uow:
        newest = await approvals.current(uow, asked.subject_id)
    assert newest is not None
    assert newest.id == again.id


async def test_a_quorum_of_two_needs_two_people(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    first = await a_person(database, settings, agency, agency.root_id, Role.APPROVER)
    second = await a_person(database, settings, agency, agency.root_id, Role.APPROVER)
    asked = await a_request(database, agency, agency.units["client 1"], quorum=2)

    async with begin(database, first.scope) as uow:
        halfway = await approvals.decide(uow, asked.id, Verdict.APPROVE, None, DIGEST)
        assert halfway.state is ApprovalState.PENDING
    with pytest.raises(AlreadyVoted):
        async with begin(database, first.scope) as uow:
            await approvals.decide(uow, asked.id, Verdict.APPROVE, None, DIGEST)
    async with begin(database, second.scope) as uow:
        done = await approvals.decide(uow, asked.id, Verdict.APPROVE, None, DIGEST)

    assert done.state is ApprovalState.APPROVED


async def test_an_app_or_a_worker_cannot_decide(database: Database) -> None:
    agency = await an_agency(database)
    asked = await a_request(database, agency, agency.units["client 1"])

    with pytest.raises(PersonNeeded):
        async with begin(database, agency.scope) as uow:
            await approvals.decide(uow, asked.id, Verdict.APPROVE, None, DIGEST)


@pytest.mark.parametrize(
    ("role", "unit", "error"),
    [
        pytest.param(Role.MANAGER, "client 1", PermissionDenied, id="sees it, may not approve"),
        pytest.param(Role.APPROVER, "client 2", NotFound, id="approver of another client"),
    ],
)
async def test_deciding_needs_the_permission_on_the_unit(
    database: Database, settings: Settings, role: Role, unit: str, error: type[DomainError]
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.units[unit], role)
    asked = await a_request(database, agency, agency.units["client 1"])

    with pytest.raises(error):
        async with begin(database, person.scope) as uow:
            await approvals.decide(uow, asked.id, Verdict.APPROVE, None, DIGEST)


async def test_of_twenty_parallel_decisions_exactly_one_decides(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    client = agency.units["client 1"]
    people = [await a_person(database, settings, agency, client, Role.APPROVER) for _ in range(20)]
    asked = await a_request(database, agency, client)

    async def decide(scope: Scope, verdict: Verdict) -> str:
        try:
            async with begin(database, scope) as uow:
                return (await approvals.decide(uow, asked.id, verdict, None, DIGEST)).state.value
        except AlreadyDecided:
            return "late"

    verdicts = [Verdict.APPROVE if n % 2 else Verdict.REJECT for n in range(20)]
    outcomes = Counter(
        await asyncio.gather(*(decide(person.scope, one) for person, one in zip(people, verdicts, strict=True)))
    )

    assert outcomes.pop("late") == 19
    async with begin_read(database, agency.scope) as uow:
        final = (await approvals.requests_by_id(uow, [asked.id]))[asked.id]
        decisions = (await approvals.decisions_of(uow, [asked.id]))[asked.id]
    assert outcomes == {final.state.value: 1}
    assert len(decisions) == 1


async def test_the_list_shows_what_waits_in_the_scope_newest_first(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    approver = await a_person(database, settings, agency, agency.units["client 1"], Role.APPROVER)
    mine = [await a_request(database, agency, agency.units["client 1"]) for _ in range(3)]
    await a_request(database, agency, agency.units["client 2"])
    async with begin(database, agency.scope) as uow:
        await approvals.void(uow, mine[0].subject_id)

    async with begin_read(database, approver.scope) as uow:
        first = await approvals.list_requests(uow, PageArguments(first=1), state=ApprovalState.PENDING)
        rest = await approvals.list_requests(
            uow, PageArguments(first=5, after=first.cursors[0]), state=ApprovalState.PENDING
        )

    assert [row.id for row in (*first.items, *rest.items)] == [mine[2].id, mine[1].id]
    assert (first.has_next, rest.has_next) == (True, False)


async def test_an_unknown_request_is_not_found(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    approver = await a_person(database, settings, agency, agency.root_id, Role.APPROVER)

    with pytest.raises(NotFound):
        async with begin(database, approver.scope) as uow:
            await approvals.decide(uow, new_id(), Verdict.APPROVE, None, DIGEST)
