"""Tokens, apps and grants as one family: who made each, who answers for it, and what becomes of what hangs on it.

Somebody who ends a person's access or a token must not leave integrations running that nobody answers for, nor break them
without knowing: where something hangs, the caller is shown it and says whether it ends too or whose it is from now on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth.errors import (
    CredentialHasDependents,
    CredentialNotTransferable,
    MemberDeactivated,
    ReceiverMayLess,
    SessionNeeded,
)
from server.auth.repository import family as repository
from server.auth.repository import people, tokens
from server.auth.repository.family import CredentialFilter, CredentialList, CredentialView
from server.auth.repository.tokens import known
from server.auth.rules import CredentialForm
from server.auth.service.lineage import Parent, parent_of
from server.kit.errors import InvalidInput, NotFound, PermissionDenied
from server.kit.ids import encode
from server.kit.pagination import Page, PageArguments
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind, CredentialKind
from server.tenants.uow import UnitOfWork

MAX_DEPENDENTS = 100
MAX_HANDED = 100
_TOLD_AT_ONCE = 500
_PREFIXES = {CredentialForm.TOKEN: "tok", CredentialForm.APP: "app", CredentialForm.APP_GRANT: "agr"}


class Fate(StrEnum):
    """What becomes of credentials when that on which they hang ends."""

    END = "END"
    HAND_OVER = "HAND_OVER"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the caller decided about what hangs; `fate` None: nothing yet."""

    fate: Fate | None = None
    to_member_id: UUID | None = None

    def check(self) -> None:
        """Raise InvalidInput for a receiver without HAND_OVER, or the other way round."""
        if (self.fate is Fate.HAND_OVER) != (self.to_member_id is not None):
            raise InvalidInput("Give handOverToId with credentials: HAND_OVER, and only then.", path=("handOverToId",))


UNDECIDED = Choice()


def credential_id(view: CredentialView) -> str:
    """Write the global id of the token, app or grant itself."""
    return encode(_PREFIXES[view.form], view.id)


async def list_credentials(uow: UnitOfWork, arguments: PageArguments, wanted: CredentialFilter) -> Page[CredentialView]:
    """List what the caller has, made or answers for, newest first; with token:manage on the whole tree everybody's.

    Tokens of sign-ins and the hourly ones of apps are left out: sessions and grants stand for them.
    """
    found = CredentialList(uow.scope, wanted)
    rows = await _judged(uow, await found.rows(uow.session, arguments))
    return found.keyset.page(rows, arguments, lambda one: (one.id,))


async def credentials_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[CredentialView]:
    """Return those of the credentials that the caller may see, in no order."""
    return await _judged(uow, await repository.seen_by_id(uow.session, uow.scope, ids))


async def _judged(uow: UnitOfWork, views: Sequence[CredentialView]) -> Sequence[CredentialView]:
    """Say of each whether it is of use, also where what it hangs on is out of the caller's sight."""
    hanging = [one.id for one in views if one.parent_id is not None]
    if not hanging:
        return views
    async with uow.whole_organization():
        found = await repository.states(uow.session, uow.scope.organization_id, hanging)
    return [replace(one, state=found.get(one.id, one.state)) for one in views]


async def dependents_of(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[CredentialView]]:
    """Return what the caller may see of what hangs right on each of these and lives; at most 100 of each."""
    found: dict[UUID, list[CredentialView]] = {one: [] for one in ids}
    for view in await repository.seen_under(uow.session, uow.scope, ids, MAX_DEPENDENTS):
        if view.parent_id is not None:
            found[view.parent_id].append(view)
    return found


async def under(uow: UnitOfWork, ids: Collection[UUID]) -> Sequence[CredentialView]:
    """Return all living tokens and apps that were made through these, in any number of steps, parents first."""
    found: dict[UUID, CredentialView] = {}
    async with uow.whole_organization():
        level: Collection[UUID] = ids
        while level:
            views = await repository.active_under(uow.session, uow.scope.organization_id, level)
            new = [one for one in views if one.id not in found and _is_made(one)]
            found |= {one.id: one for one in new}
            level = [one.id for one in new]
    return list(found.values())


def _is_made(view: CredentialView) -> bool:
    return view.form is CredentialForm.APP or view.token_kind in {CredentialKind.PERSONAL, CredentialKind.SERVICE}


async def under_app(uow: UnitOfWork, app_id: UUID) -> Sequence[CredentialView]:
    """Return the living grants of an app, and the tokens that it has as itself."""
    async with uow.whole_organization():
        return await repository.active_under(uow.session, uow.scope.organization_id, [app_id])


async def owned_by(uow: UnitOfWork, member_ids: Collection[UUID]) -> Sequence[CredentialView]:
    """Return the living service tokens and apps that these members answer for."""
    async with uow.whole_organization():
        return await repository.active_owned(uow.session, uow.scope.organization_id, member_ids)


async def answered_parent(uow: UnitOfWork, permissions: Collection[Permission], unit_ids: Collection[UUID]) -> Parent:
    """Return through what the caller makes a service token or an app, with a maker who can answer for it.

    Holds the lock of `lock_people` from here on: whoever ends the maker at the same time or takes a role from them sees what
    is made, or was seen here. Raises MemberDeactivated, and PermissionDenied for a person who lost one of the permissions
    since the request began.
    """
    await tenants.lock_people(uow)
    parent, organization_id = await parent_of(uow), uow.scope.organization_id
    if parent.maker_id is None:
        return parent
    async with uow.whole_organization():
        maker = await tokens.active_member(uow.session, organization_id, parent.maker_id)
        held = await people.held_at(uow.session, organization_id, {(parent.maker_id, one) for one in unit_ids})
    if maker is None:
        raise MemberDeactivated
    if uow.scope.actor.kind is ActorKind.MEMBER:  # what a service token makes hangs on it, and may no more than it does
        kept = frozenset(permissions).intersection(*held.values())
        if lost := sorted(set(permissions) - kept):
            raise PermissionDenied(lost[0].value)
    return parent


async def settle(uow: UnitOfWork, hanging: Sequence[CredentialView], choice: Choice, *, may_end: bool = False) -> None:
    """Do with what hangs what the caller chose: end it with all that hangs on it in turn, or hand it over.

    `may_end`: whoever ends the rest may end these too; else token:manage or app:manage is needed on all their units.
    Raises CredentialHasDependents without a choice, PermissionDenied, and what `hand_over` raises.
    """
    choice.check()
    if not hanging:
        return
    if choice.fate is None:
        seen = await credentials_by_id(uow, [one.id for one in hanging])
        told = [f"{one.name} ({credential_id(one)})" for one in seen][:MAX_DEPENDENTS]
        raise CredentialHasDependents(_ids(seen)[:MAX_DEPENDENTS], told, len(hanging))
    if choice.to_member_id is not None:
        await _hand_over(uow, hanging, choice.to_member_id, "handOverToId")
        return
    if not may_end:
        _require_managed(uow, hanging)
    await _end(uow, hanging)


async def end_owned(uow: UnitOfWork, member_ids: Collection[UUID]) -> int:
    """End what these members answer for, where nobody is there to be asked; return how many there were. Repeatable."""
    hanging = await owned_by(uow, member_ids)
    await _end(uow, hanging)
    return len(hanging)


async def hand_over(uow: UnitOfWork, ids: Sequence[UUID], to_member_id: UUID) -> None:
    """Let a member answer for service tokens and apps. What they were made through no longer ends them; their end stays.

    Needs a sign-in, and to answer for each or to hold token:manage or app:manage on all its units. Raises SessionNeeded,
    NotFound, PermissionDenied, MemberDeactivated, CredentialNotTransferable, and ReceiverMayLess for somebody who may
    less than one of them.
    """
    if not 0 < len(set(ids)) <= MAX_HANDED:
        raise InvalidInput(f"Name 1 to {MAX_HANDED} tokens and apps.", path=("tokenIds",))
    found = await credentials_by_id(uow, ids)
    if {one.id for one in found} != set(ids):
        raise NotFound
    await _hand_over(uow, found, to_member_id, "toMemberId")


async def _hand_over(uow: UnitOfWork, views: Sequence[CredentialView], to_member_id: UUID, path: str) -> None:
    credential = uow.scope.credential
    if credential is not None and credential.kind is not CredentialKind.SESSION:
        raise SessionNeeded  # else a token could set free what hangs on it
    _require_managed(uow, views)
    await tenants.lock_people(uow)
    member = (await tenants.members_by_id(uow, [to_member_id])).get(to_member_id)
    if member is None:
        raise NotFound(path=(path,))
    if member.deactivated_at is not None:
        raise MemberDeactivated(path=(path,))
    bound = [one for one in views if not one.is_transferable and one.owner_id != to_member_id]
    if bound:
        raise CredentialNotTransferable(_ids(bound))
    lacking = await _beyond(uow, [(one, to_member_id) for one in views])
    if lacking:
        raise ReceiverMayLess(_ids(lacking), path=(path,))
    await repository.give(uow.session, uow.scope.organization_id, [one.id for one in views], to_member_id)
    details = {"to": str(to_member_id), "toName": member.name}
    told = [(one.id, {"name": one.name, "from": str(one.owner_id or ""), **details}) for one in views]
    await audit.record_many(uow, Action.CREDENTIAL_HAND_OVER, told)


async def covered_by(uow: UnitOfWork, member_ids: Collection[UUID]) -> Sequence[CredentialView]:
    """Return the living service tokens and apps that these members answer for, each holding all that theirs may.

    Asked before rights are taken away, for `outgrown` to be asked afterwards.
    """
    owned = await owned_by(uow, member_ids)
    beyond = {one.id for one in await outgrown(uow, owned)}
    return [one for one in owned if one.id not in beyond]


async def covered_by_holders(uow: UnitOfWork, role_id: UUID) -> Sequence[CredentialView]:
    """Return what `covered_by` returns for all who have a role of the organization's own."""
    async with uow.whole_organization():
        holders = await people.holders(uow.session, uow.scope.organization_id, role_id)
    return await covered_by(uow, holders)


async def outgrown(uow: UnitOfWork, views: Sequence[CredentialView]) -> Sequence[CredentialView]:
    """Return those that may more, on some unit, than the member who answers for them holds there."""
    return await _beyond(uow, [(one, one.owner_id) for one in views if one.owner_id is not None])


async def _beyond(uow: UnitOfWork, owners: Sequence[tuple[CredentialView, UUID]]) -> Sequence[CredentialView]:
    places = {
        one.id: [(member_id, unit_id) for unit_id in one.unit_ids or ()]
        for one, member_id in owners
        if one.is_transferable  # what acts as a member is cut to what the member holds at each request
    }
    async with uow.whole_organization():
        # One statement for all: somebody may answer for hundreds of tokens on a hundred units each.
        held = await people.held_at(
            uow.session, uow.scope.organization_id, {place for each in places.values() for place in each}
        )

    def is_beyond(view: CredentialView) -> bool:
        wanted = known(view.permissions or ())
        return not all(wanted <= held[place] for place in places.get(view.id, ()))

    return [one for one, _ in owners if is_beyond(one)]


def _require_managed(uow: UnitOfWork, views: Sequence[CredentialView]) -> None:
    for view in views:
        if view.owner_id == uow.scope.actor.id:
            continue
        needed = Permission.APP_MANAGE if view.form is CredentialForm.APP else Permission.TOKEN_MANAGE
        for unit_id in view.unit_ids or (None,):
            uow.scope.require(needed, unit_id)


async def _end(uow: UnitOfWork, hanging: Sequence[CredentialView]) -> None:
    line = {one.id: one for one in (*hanging, *await under(uow, [one.id for one in hanging]))}
    if not line:
        return
    async with uow.whole_organization():
        await repository.end(uow.session, uow.scope.organization_id, line.keys())
    tenants.announce_access(uow)
    for form, action in ((CredentialForm.TOKEN, Action.TOKEN_REVOKE), (CredentialForm.APP, Action.APP_ARCHIVE)):
        ended = [(one.id, {"name": one.name, "hung": True}) for one in line.values() if one.form is form]
        await audit.record_many(uow, action, ended)


def _ids(views: Sequence[CredentialView]) -> list[str]:
    return [credential_id(one) for one in views]


async def tell_cuts(uow: UnitOfWork) -> None:
    """Write into the trail which tokens and apps were cut to the end of what they were made through; 500 at a time."""
    cut = await repository.take_untold_cuts(uow.session, uow.scope.organization_id, _TOLD_AT_ONCE)
    told = [(one, {"name": name, "endsAt": "" if until is None else until.isoformat()}) for one, name, until in cut]
    if told:
        await audit.record_many(uow, Action.CREDENTIAL_CUT, told)
