"""Use cases of known documents: registering and withdrawing what an organization's clients send, finding it, its uses.

Whether a text fits the schema is said by the shell that has one (`rules.Reading`); here it is only obeyed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.documents import repository
from server.documents.errors import TooManyDocuments
from server.documents.models import KnownDocumentRow
from server.documents.repository import DocumentFilter, Use, UseFilter
from server.documents.rules import (
    MAX_LIVE,
    MAX_WITHDRAWN,
    USES_KEPT,
    USES_SHOWN,
    ClientBuild,
    NewDocument,
    build_problems,
    digest_of,
    manifest_problems,
    size_problems,
)
from server.kit.errors import InvalidInput, NotFound, Problems
from server.kit.ids import new_ids
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants.rules import Permission
from server.tenants.scope import Scope
from server.tenants.uow import UnitOfWork

MAX_USES_OF_ONE = 20
MAX_USES = 100

__all__ = [
    "MAX_USES",
    "MAX_USES_OF_ONE",
    "DocumentFilter",
    "Registered",
    "Use",
    "UseFilter",
    "check_may_manage",
    "documents_by_id",
    "find",
    "forget_old_uses",
    "list_documents",
    "list_uses",
    "register",
    "uses_of",
    "withdraw",
    "withdraw_build",
]


@dataclass(frozen=True, slots=True)
class Registered:
    """What a registration led to: the documents in the order of the manifest, and how many of them are new."""

    rows: Sequence[KnownDocumentRow]
    new_count: int


def check_may_manage(scope: Scope) -> None:
    """Raise PermissionDenied without document:manage on the whole tree: what is registered serves all of it."""
    scope.require(Permission.DOCUMENT_MANAGE, None)


async def register(uow: UnitOfWork, build: ClientBuild, documents: Sequence[NewDocument]) -> Registered:
    """Let the organization's clients send these documents, as documents of one build. Audited if any is new.

    What the build has already stays as it is, so a repetition changes nothing. Needs document:manage on the whole tree.
    Raises Problems with everything that is wrong with the manifest, and TooManyDocuments; nothing is registered then.
    """
    check_may_manage(uow.scope)
    problems = [*build_problems(build), *size_problems(len(documents), "documents"), *manifest_problems(documents)]
    if problems:
        raise Problems(problems)
    organization_id = uow.scope.organization_id
    by_digest = {digest_of(one.text): one for one in documents}
    await repository.lock(uow.session, organization_id)
    new_count = await repository.insert_documents(uow.session, _rows(uow.scope, build, by_digest))
    if await repository.count_live(uow.session, organization_id) > MAX_LIVE:
        raise TooManyDocuments(MAX_LIVE)
    found = await repository.live_of_build(uow.session, organization_id, build, list(by_digest))
    if new_count:
        details = {"app": build.app, "version": build.version, "new": new_count, "documents": _ids(found)}
        await audit.record(uow, Action.DOCUMENT_REGISTER, organization_id, details)
    rows = {bytes(row.digest): row for row in found}
    return Registered([rows[digest] for digest in by_digest], new_count)


def _rows(scope: Scope, build: ClientBuild, by_digest: Mapping[bytes, NewDocument]) -> list[Mapping[str, object]]:
    return [
        {
            "organization_id": scope.organization_id,
            "id": row_id,
            "digest": digest,
            "text": one.text,
            "operation_name": one.reading.operation_name,
            "operation_type": one.reading.operation_type,
            "app": build.app,
            "version": build.version,
            "registered_by": scope.actor.id,
        }
        for row_id, (digest, one) in zip(new_ids(len(by_digest)), by_digest.items(), strict=True)
    ]


def _ids(rows: Sequence[KnownDocumentRow]) -> list[str]:
    return sorted(row.document_id for row in rows)


async def withdraw(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[KnownDocumentRow]:
    """Serve these registrations no more; return those that were live, and audit them. The others stay as they are.

    A text is served on while another build has it. Needs document:manage on the whole tree. Raises Problems with a NotFound
    for every id that is none, and then withdraws nothing.
    """
    check_may_manage(uow.scope)
    if problems := size_problems(len(ids), "ids"):
        raise Problems(problems)
    known = {row.id for row in await repository.documents_by_id(uow.session, uow.scope.organization_id, ids)}
    if missing := [NotFound(path=("ids", str(place))) for place, one in enumerate(ids) if one not in known]:
        raise Problems(missing)
    return await _withdraw(uow, ids)


async def withdraw_build(uow: UnitOfWork, build: ClientBuild) -> Sequence[KnownDocumentRow]:
    """Serve nothing more of one version of an app; as `withdraw`. Raises NotFound for a build that never had a document."""
    check_may_manage(uow.scope)
    if problems := build_problems(build):
        raise Problems(problems)
    organization_id = uow.scope.organization_id
    live = await repository.live_of_build(uow.session, organization_id, build)
    if not live and not await repository.has_build(uow.session, organization_id, build):
        raise NotFound(path=("version",))
    return await _withdraw(uow, [row.id for row in live])


async def _withdraw(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[KnownDocumentRow]:
    organization_id = uow.scope.organization_id
    gone = await repository.withdraw(uow.session, organization_id, ids, uow.scope.actor.id)
    if gone:
        await repository.forget_withdrawn(uow.session, organization_id, MAX_WITHDRAWN)
        builds = sorted({f"{row.app} {row.version}" for row in gone})
        details = {"builds": builds, "documents": _ids(gone)}
        await audit.record(uow, Action.DOCUMENT_WITHDRAW, organization_id, details)
    return sorted(gone, key=lambda row: row.id, reverse=True)


async def find(uow: UnitOfWork, digest: bytes) -> str | None:
    """Return the text of a document that the caller's organization has registered and not withdrawn. Everybody of it may."""
    return await repository.text_of(uow.session, uow.scope.organization_id, digest)


async def list_documents(uow: UnitOfWork, arguments: PageArguments, wanted: DocumentFilter) -> Page[KnownDocumentRow]:
    """List registrations, the newest first. Needs document:manage on the whole tree."""
    check_may_manage(uow.scope)
    shape = ["documents", wanted.app, wanted.version, wanted.is_withdrawn, wanted.is_valid]
    keyset = Keyset((SortKey(KnownDocumentRow.id, UUID, descending=True),), shape)
    rows = await repository.list_documents(uow.session, uow.scope.organization_id, keyset, arguments, wanted)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def documents_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[KnownDocumentRow]:
    """Return the registrations with these ids, in no order; none without document:manage on the whole tree."""
    if Permission.DOCUMENT_MANAGE not in uow.scope.everywhere:
        return []
    return await repository.documents_by_id(uow.session, uow.scope.organization_id, ids)


async def uses_of(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, list[Use]]:
    """Return for each registration how often its text was asked for in the last 30 days, by build; at most 20 each.

    The most used come first. Nothing without document:manage on the whole tree.
    """
    if Permission.DOCUMENT_MANAGE not in uow.scope.everywhere:
        return {}
    return await repository.uses_of(uow.session, uow.scope.organization_id, ids, USES_SHOWN, MAX_USES_OF_ONE)


async def list_uses(uow: UnitOfWork, wanted: UseFilter) -> Sequence[Use]:
    """Add up the uses of documents, shipped ones too, by operation and build; the most used first, at most 100.

    Needs document:manage on the whole tree. Raises InvalidInput for a time that is not 1 to 90 days.
    """
    check_may_manage(uow.scope)
    if not timedelta(days=1) <= wanted.since <= USES_KEPT:
        raise InvalidInput(f"Uses are kept for {USES_KEPT.days} days: ask for 1 to {USES_KEPT.days}.", path=("days",))
    return await repository.list_uses(uow.session, uow.scope.organization_id, wanted, MAX_USES)


async def forget_old_uses(uow: UnitOfWork) -> None:
    """Delete what the organization used more than 90 days ago."""
    await repository.forget_uses(uow.session, uow.scope.organization_id, USES_KEPT)
