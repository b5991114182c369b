"""Contacts: one person per identity on a page, whoever hears of them first; their names and labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.contacts import leaving, repository
from server.contacts.errors import LabelExists, LabelOutOfPlace
from server.contacts.jobs import ReadProfile
from server.contacts.models import ContactIdentityRow, ContactRow, LabelRow
from server.contacts.rules import MAX_LABEL, color_problems, name_problems, told_name
from server.kit.errors import NotFound, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


class OwnedPage(Protocol):
    """A page as far as contacts know it; channels' PageRef is one. The two slices stand beside each other."""

    @property
    def id(self) -> UUID:
        """The page's id."""

    @property
    def unit_id(self) -> UUID:
        """The unit that the page, and so the contact, belongs to."""

    @property
    def channel(self) -> str:
        """The network that the page lives on."""

    @property
    def external_id(self) -> str:
        """How the network names the page."""


async def identify(uow: UnitOfWork, page: OwnedPage, external_id: str) -> UUID:
    """Return the contact whom the page's platform names `external_id`, and create it if nobody knew it.

    However many call at once, one contact comes of it: the unique key of the identity decides, the others use the winner.
    Who was erased before is a new contact that campaigns leave alone.
    """
    organization_id = uow.scope.organization_id
    known = await repository.contact_id_of(uow.session, organization_id, page.id, external_id)
    if known is not None:
        return known
    contact_id = new_id()
    await repository.insert_contact(uow.session, organization_id, contact_id, page.unit_id)
    identity = {
        "organization_id": organization_id,
        "id": new_id(),
        "unit_id": page.unit_id,
        "contact_id": contact_id,
        "page_id": page.id,
        "external_id": external_id,
    }
    if await repository.insert_identity(uow.session, identity):
        # After the insert: it has waited for an erasure of the same person that was on its way.
        if await leaving.was_erased(uow, page.channel, page.external_id, external_id):
            await repository.mark_erased(uow.session, organization_id, contact_id)
        uow.defer(ReadProfile(contact_id, page.id, external_id), key=str(contact_id))
        uow.announce("contacts")
        return contact_id
    await repository.delete_contact(uow.session, organization_id, contact_id)
    winner = await repository.contact_id_of(uow.session, organization_id, page.id, external_id)
    if winner is None:
        raise NotFound
    return winner


async def note_identity(uow: UnitOfWork, page: OwnedPage, contact_id: UUID, external_id: str) -> None:
    """Keep a further name of a contact at a page; a name that is known there already stays whose it is."""
    identity = {
        "organization_id": uow.scope.organization_id,
        "id": new_id(),
        "unit_id": page.unit_id,
        "contact_id": contact_id,
        "page_id": page.id,
        "external_id": external_id,
    }
    await repository.insert_identity(uow.session, identity)


async def note_thread(uow: UnitOfWork, page_id: UUID, contact_id: UUID, thread_id: str) -> None:
    """Keep how the page's platform names the conversation with a contact: some platforms want it back with every send."""
    await repository.note_thread(uow.session, uow.scope.organization_id, page_id, contact_id, thread_id)


async def known(uow: UnitOfWork, page: OwnedPage, external_ids: Sequence[str]) -> dict[str, UUID]:
    """Return the contacts whom the page's platform names so, by that name; nobody is created."""
    return await repository.contact_ids_of(uow.session, uow.scope.organization_id, page.id, external_ids)


async def contact(uow: UnitOfWork, contact_id: UUID) -> ContactRow:
    """Return one contact; raise NotFound. Needs contact:read on its unit."""
    return await _contact(uow, contact_id, Permission.CONTACT_READ)


async def erased_before(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[ContactRow]:
    """Return those of the contacts who had their data erased and came back by writing to us."""
    return await repository.erased_before(uow.session, uow.scope.organization_id, ids)


async def contacts_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[ContactRow]:
    """Return those of the contacts that the scope sees, in no particular order."""
    return await repository.contacts_by_id(uow.session, uow.scope, ids)


async def identities_of(uow: UnitOfWork, contact_ids: Sequence[UUID]) -> dict[UUID, list[ContactIdentityRow]]:
    """Return the identities of each contact, oldest first; contacts without any are left out."""
    found: dict[UUID, list[ContactIdentityRow]] = defaultdict(list)
    for row in await repository.identities_of(uow.session, uow.scope.organization_id, contact_ids):
        found[row.contact_id].append(row)
    return dict(found)


async def list_contacts(
    uow: UnitOfWork, arguments: PageArguments, unit_id: UUID | None = None, label_id: UUID | None = None
) -> Page[ContactRow]:
    """List contacts, newest first: all, those of a unit and everything under it, those with a label.

    Needs contact:read; contacts of units where the scope lacks it are left out.
    """
    scope = uow.scope
    if unit_id is None:
        scope.require_anywhere(Permission.CONTACT_READ)
    else:
        scope.require(Permission.CONTACT_READ, unit_id)
    allowed = None
    if Permission.CONTACT_READ not in scope.everywhere:
        allowed = [one for one, held in scope.by_unit.items() if Permission.CONTACT_READ in held]
    keyset = Keyset((SortKey(ContactRow.id, UUID, descending=True),), ["contacts", unit_id, label_id])
    rows = await repository.list_contacts(
        uow.session, scope.organization_id, keyset, arguments, unit_id=unit_id, label_id=label_id, unit_ids=allowed
    )
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def rename(uow: UnitOfWork, contact_id: UUID, name: str | None, first_name: str | None = None) -> ContactRow:
    """Give a contact another name, or None for none. Needs contact:write on its unit."""
    row = await _contact(uow, contact_id, Permission.CONTACT_WRITE)
    problems = [*name_problems(name, "name"), *name_problems(first_name, "firstName")]
    if problems:
        raise Problems(problems)
    if (row.name, row.first_name) != (name, first_name):
        row.name, row.first_name = name, first_name
        uow.announce("contacts")
        await audit.record(uow, Action.CONTACT_EDIT, row.id)
    return row


async def set_profile(uow: UnitOfWork, contact_id: UUID, name: str | None, first_name: str | None) -> None:
    """Write the name that the platform tells for a person, and that it was asked now; a name that is there stays."""
    values = {"name": told_name(name), "first_name": told_name(first_name)}
    await repository.set_profile(uow.session, uow.scope.organization_id, contact_id, values)
    uow.announce("contacts")


async def create_label(uow: UnitOfWork, unit_id: UUID, name: str, color: str) -> LabelRow:
    """Create a label that a unit and everything under it may use; raise LabelExists. Needs contact:write there."""
    uow.scope.require(Permission.CONTACT_WRITE, unit_id)
    await tenants.unit(uow, unit_id)
    problems = [*name_problems(name, "name", MAX_LABEL), *color_problems(color)]
    if problems:
        raise Problems(problems)
    label_id = new_id()
    values = {
        "organization_id": uow.scope.organization_id,
        "id": label_id,
        "unit_id": unit_id,
        "name": name,
        "color": color,
    }
    if not await repository.insert_label(uow.session, values):
        raise LabelExists
    await audit.record(uow, Action.LABEL_CREATE, label_id, {"name": name, "unit": str(unit_id)})
    return await _label(uow, label_id)


async def labels_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[LabelRow]:
    """Return those of the labels that the scope sees, in no particular order."""
    return await repository.labels_by_id(uow.session, uow.scope, ids)


async def list_labels(uow: UnitOfWork, arguments: PageArguments, unit_id: UUID | None = None) -> Page[LabelRow]:
    """List labels by name: those that a unit may use (its own and those of the units above), or all of the scope."""
    if unit_id is None:
        uow.scope.require_anywhere(Permission.CONTACT_READ)
    else:
        uow.scope.require(Permission.CONTACT_READ, unit_id)
    keyset = Keyset((SortKey(LabelRow.name, str), SortKey(LabelRow.id, UUID)), ["labels", unit_id])
    rows = await repository.list_labels(uow.session, uow.scope, keyset, arguments, unit_id)
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))


async def label_contact(uow: UnitOfWork, contact_id: UUID, label_id: UUID) -> ContactRow:
    """Put a label on a contact; repeating it changes nothing. Needs contact:write; raises LabelOutOfPlace."""
    row = await _contact(uow, contact_id, Permission.CONTACT_WRITE)
    label = await _label(uow, label_id)
    if not await repository.is_above(uow.session, uow.scope.organization_id, label.unit_id, row.unit_id):
        raise LabelOutOfPlace
    if await repository.insert_contact_label(uow.session, uow.scope.organization_id, row, label_id):
        await audit.record(uow, Action.CONTACT_LABEL, row.id, {"label": str(label_id)})
    uow.announce("contacts")
    return row


async def unlabel_contact(uow: UnitOfWork, contact_id: UUID, label_id: UUID) -> ContactRow:
    """Take a label off a contact; repeating it changes nothing. Needs contact:write."""
    row = await _contact(uow, contact_id, Permission.CONTACT_WRITE)
    if await repository.delete_contact_label(uow.session, uow.scope.organization_id, contact_id, label_id):
        await audit.record(uow, Action.CONTACT_UNLABEL, row.id, {"label": str(label_id)})
    uow.announce("contacts")
    return row


async def labels_of_contacts(uow: UnitOfWork, ids: Sequence[UUID]) -> dict[UUID, list[LabelRow]]:
    """Return the labels of each contact by name; contacts without any are left out."""
    found: dict[UUID, list[LabelRow]] = defaultdict(list)
    for contact_id, label in await repository.labels_of_contacts(uow.session, uow.scope.organization_id, ids):
        found[contact_id].append(label)
    return dict(found)


async def _contact(uow: UnitOfWork, contact_id: UUID, permission: Permission) -> ContactRow:
    row = await repository.contact(uow.session, uow.scope.organization_id, contact_id)
    if row is None:
        raise NotFound
    uow.scope.require_on(permission, row.unit_id, read_with=Permission.CONTACT_READ)
    return row


async def _label(uow: UnitOfWork, label_id: UUID) -> LabelRow:
    for row in await repository.labels_by_id(uow.session, uow.scope, [label_id]):
        return row
    raise NotFound(path=("labelId",))
