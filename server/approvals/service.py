"""Approvals: a question that binds a digest, verdicts of people who did not write it, and one outcome.

What an outcome leads to is the business of the slice that asked; it locks its own subject before it calls here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.approvals import repository
from server.approvals.errors import (
    AlreadyDecided,
    AlreadyPending,
    AlreadyVoted,
    ContentChanged,
    PersonNeeded,
    SelfApproval,
)
from server.approvals.models import ApprovalDecisionRow, ApprovalRequestRow, ApprovalState, Verdict
from server.kit.errors import InvalidInput, NotFound
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind
from server.tenants.uow import UnitOfWork

MAX_COMMENT = 2_000


@dataclass(frozen=True, slots=True)
class ApprovalQuestion:
    """May exactly this content (`digest`) go out? `summary` is what the approver reads first; JSON values only."""

    subject_kind: str
    subject_id: UUID
    unit_id: UUID
    digest: bytes
    summary: Mapping[str, object]
    author_ids: frozenset[UUID]
    quorum: int = 1


async def request(uow: UnitOfWork, question: ApprovalQuestion) -> ApprovalRequestRow:
    """Ask for a decision; raise AlreadyPending if the subject waits for one. Needs campaign:write on the unit."""
    uow.scope.require(Permission.CAMPAIGN_WRITE, question.unit_id)
    row = await repository.insert_request(
        uow.session,
        {
            "organization_id": uow.scope.organization_id,
            "id": new_id(),
            "unit_id": question.unit_id,
            "subject_kind": question.subject_kind,
            "subject_id": question.subject_id,
            "content_digest": question.digest,
            "summary": dict(question.summary),
            "state": ApprovalState.PENDING,
            "quorum": question.quorum,
            "requested_by": uow.scope.actor.id,
            "author_ids": sorted(str(one) for one in question.author_ids),
        },
    )
    if row is None:
        raise AlreadyPending
    uow.announce("approvals")
    return row


async def decide(
    uow: UnitOfWork, request_id: UUID, verdict: Verdict, comment: str | None, expected_digest: bytes
) -> ApprovalRequestRow:
    """Record one member's verdict and return the request, with its outcome if this verdict settles it.

    Locks the request, so that parallel verdicts give one outcome. Needs campaign:approve on the unit. Raises PersonNeeded,
    ContentChanged (other content than `expected_digest`), AlreadyDecided, SelfApproval, AlreadyVoted.
    """
    row = await repository.lock_request(uow.session, uow.scope.organization_id, request_id)
    if row is None:
        raise NotFound(path=("requestId",))
    uow.scope.require_on(Permission.CAMPAIGN_APPROVE, row.unit_id, "requestId", read_with=Permission.CAMPAIGN_READ)
    await _refuse(uow, row, comment, expected_digest)
    recorded = await repository.insert_decision(
        uow.session,
        {
            "organization_id": row.organization_id,
            "id": new_id(),
            "unit_id": row.unit_id,
            "request_id": row.id,
            "member_id": uow.scope.actor.id,
            "verdict": verdict,
            "comment": comment,
            "content_digest": row.content_digest,
        },
    )
    if not recorded:
        raise AlreadyVoted
    state = await _outcome(uow, row, verdict)
    if state is not ApprovalState.PENDING:
        await repository.settle(uow.session, row.organization_id, row.id, state, await uow.now())
        await uow.session.refresh(row)
    uow.announce("approvals")
    return row


async def _outcome(uow: UnitOfWork, row: ApprovalRequestRow, verdict: Verdict) -> ApprovalState:
    if verdict is Verdict.REJECT:  # one no is enough
        return ApprovalState.REJECTED
    approvals = await repository.count_approvals(uow.session, row.organization_id, row.id)
    return ApprovalState.APPROVED if approvals >= row.quorum else ApprovalState.PENDING


async def _refuse(uow: UnitOfWork, row: ApprovalRequestRow, comment: str | None, expected_digest: bytes) -> None:
    actor = uow.scope.actor
    if actor.kind is not ActorKind.MEMBER:
        raise PersonNeeded
    if row.state is ApprovalState.VOIDED:
        waiting = await current(uow, row.subject_id)
        is_waiting = waiting is not None and waiting.state is ApprovalState.PENDING
        raise ContentChanged(bytes(waiting.content_digest) if waiting is not None and is_waiting else None)
    if row.state is not ApprovalState.PENDING:
        raise AlreadyDecided(row.state.value)
    if bytes(row.content_digest) != expected_digest:
        raise ContentChanged(bytes(row.content_digest))
    if str(actor.id) in row.author_ids:
        raise SelfApproval
    if comment is not None and len(comment) > MAX_COMMENT:
        raise InvalidInput(f"A comment has at most {MAX_COMMENT} characters.", path=("comment",))


async def void(uow: UnitOfWork, subject_id: UUID) -> bool:
    """Void what is pending or approved for a subject whose content changed; return whether there was anything."""
    voided = await repository.void(uow.session, uow.scope.organization_id, subject_id)
    if voided:
        uow.announce("approvals")
    return bool(voided)


async def requests_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, ApprovalRequestRow]:
    """Return those of the requests that the scope may read, by id: campaign:read on their units."""
    rows = await repository.requests_by_id(uow.session, uow.scope.organization_id, ids)
    return {row.id: row for row in rows if uow.scope.may(Permission.CAMPAIGN_READ, row.unit_id)}


async def current(uow: UnitOfWork, subject_id: UUID) -> ApprovalRequestRow | None:
    """Return the newest request about a subject, whatever its state; None if it was never asked for."""
    return (await current_by_subject(uow, [subject_id])).get(subject_id)


async def current_by_subject(uow: UnitOfWork, subject_ids: Sequence[UUID]) -> Mapping[UUID, ApprovalRequestRow]:
    """Return the newest request of each subject, by subject."""
    rows = await repository.newest(uow.session, uow.scope.organization_id, subject_ids)
    return {row.subject_id: row for row in rows}


async def decisions_of(uow: UnitOfWork, request_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[ApprovalDecisionRow]]:
    """Return the verdicts on these requests, oldest first, by request."""
    grouped: dict[UUID, list[ApprovalDecisionRow]] = {one: [] for one in request_ids}
    for row in await repository.decisions(uow.session, uow.scope.organization_id, request_ids):
        grouped[row.request_id].append(row)
    return grouped


async def list_requests(
    uow: UnitOfWork,
    arguments: PageArguments,
    *,
    state: ApprovalState | None = None,
    unit_id: UUID | None = None,
) -> Page[ApprovalRequestRow]:
    """List requests of the scope, newest first. Needs campaign:read."""
    uow.scope.require_anywhere(Permission.CAMPAIGN_READ)
    keyset = Keyset((SortKey(ApprovalRequestRow.id, UUID, descending=True),), ["approvals", state, unit_id])
    rows = await repository.list_requests(uow.session, uow.scope, keyset, arguments, state, unit_id)
    return keyset.page(rows, arguments, lambda row: (row.id,))
