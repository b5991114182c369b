"""Whether people and apps keep to one side of the walls between competing units; the rule is in `tenants`' separation."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from server.auth.repository import conflicts as repository
from server.kit.ids import encode
from server.tenants import service as tenants
from server.tenants.errors import Separated
from server.tenants.uow import UnitOfWork


async def check_separation(uow: UnitOfWork, member_id: UUID | None = None, *, path: Sequence[str] = ()) -> None:
    """Raise Separated when the member reaches both units of a flagged pair; without one, when anybody or any app does.

    For changes of roles call it with the member, for changes of the tree without; at the end of the unit of work.
    """
    await tenants.check_separation(uow, None if member_id is None else [member_id], path=path)
    if member_id is None:
        await _check_apps(uow, None, path)


async def check_app(uow: UnitOfWork, token_id: UUID, *, path: Sequence[str] = ()) -> None:
    """Raise Separated when the token of an app reaches both units of a flagged pair. No exceptions are made for apps."""
    await tenants.lock_people(uow)
    await _check_apps(uow, token_id, path)


async def shared_apps(
    uow: UnitOfWork, pairs: Sequence[tuple[UUID, UUID]], token_id: UUID | None = None
) -> Sequence[UUID]:
    """Return the tokens of apps that reach both units of one of the pairs; at most 100."""
    if not pairs:
        return []
    async with uow.whole_organization():
        return await repository.shared_apps(uow.session, uow.scope.organization_id, pairs, token_id)


async def _check_apps(uow: UnitOfWork, token_id: UUID | None, path: Sequence[str]) -> None:
    found = await shared_apps(uow, await tenants.flagged_pairs(uow), token_id)
    if found:
        told = {"tokenIds": [encode("tok", one) for one in found]} if uow.scope.all_units else {}
        raise Separated(path=path, data=told)
