"""How contacts leave, and the list of those who must not be written to when they come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, column, delete, select, table
from sqlalchemy.dialects.postgresql import insert

from server.contacts.models import ContactIdentityRow, ContactLabelRow, ContactRow, ErasedIdentityRow, LabelRow
from server.kit.crypto import KeyRing
from server.tenants.leaving import How, Leaving, among, of_contact, of_units
from server.tenants.uow import UnitOfWork

LEAVING = (
    Leaving(ContactLabelRow, How.ROWS, of_units(ContactLabelRow.unit_id), of_contact(ContactLabelRow.contact_id)),
    Leaving(LabelRow, How.ROWS, of_units(LabelRow.unit_id)),
    Leaving(
        ContactIdentityRow, How.ROWS, of_units(ContactIdentityRow.unit_id), of_contact(ContactIdentityRow.contact_id)
    ),
    Leaving(ContactRow, How.ROWS, of_units(ContactRow.unit_id), of_contact(ContactRow.id)),
    Leaving(
        ErasedIdentityRow,
        How.STAYS,
        note="a keyed hash that names nobody: who asked to be left alone is not written to when they come back",
    ),
)
_AT_ONCE = 1_000
_PURPOSE = "erased_identity"


_PAGE = table("page", column("organization_id"), column("id"), column("channel"), column("external_id"))
"""Channels' table, which stands beside this slice."""


def hashes_of(keys: KeyRing, channel: str, page: str, person: str) -> list[bytes]:
    """Return the hashes under which a person of a page may stand on the list; the first is the one to write."""
    return keys.hashes(_PURPOSE, f"{channel}:{page}:{person}")


async def was_erased(uow: UnitOfWork, channel: str, page: str, person: str) -> bool:
    """Say whether a person of a page stands on the list."""
    statement = select(ErasedIdentityRow.created_at).where(
        ErasedIdentityRow.organization_id == uow.scope.organization_id,
        ErasedIdentityRow.identity_hash.in_(hashes_of(uow.keys, channel, page, person)),
    )
    return (await uow.session.execute(statement.limit(1))).first() is not None


async def remember(uow: UnitOfWork, contact_ids: Sequence[UUID]) -> int:
    """Put the identities of these contacts on the list; return how many identities there were. Repeatable."""
    total = 0
    for start in range(0, len(contact_ids), _AT_ONCE):
        known = await _identities(uow, contact_ids[start : start + _AT_ONCE])
        total += len(known)
        if known:
            rows = [
                {
                    "organization_id": uow.scope.organization_id,
                    "identity_hash": hashes_of(uow.keys, one.channel, one.page, one.person)[0],
                }
                for one in known
            ]
            await uow.session.execute(insert(ErasedIdentityRow).values(rows).on_conflict_do_nothing())
    return total


async def forgive(uow: UnitOfWork, contact_id: UUID) -> bool:
    """Take a contact who came back off the list, so that campaigns may write again; return whether they stood on it."""
    known = await _identities(uow, [contact_id])
    hashes = [one for row in known for one in hashes_of(uow.keys, row.channel, row.page, row.person)]
    await uow.session.execute(
        delete(ErasedIdentityRow).where(
            ErasedIdentityRow.organization_id == uow.scope.organization_id,
            ErasedIdentityRow.identity_hash.in_(hashes),
        )
    )
    row = await uow.session.get(ContactRow, (uow.scope.organization_id, contact_id), with_for_update=True)
    if row is None or not row.was_erased:
        return False
    row.was_erased = False
    await uow.session.flush()
    return True


async def _identities(uow: UnitOfWork, contact_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    statement = (
        select(_PAGE.c.channel, _PAGE.c.external_id.label("page"), ContactIdentityRow.external_id.label("person"))
        .join(
            _PAGE,
            (_PAGE.c.organization_id == ContactIdentityRow.organization_id)
            & (_PAGE.c.id == ContactIdentityRow.page_id),
        )
        .where(
            ContactIdentityRow.organization_id == uow.scope.organization_id,
            ContactIdentityRow.contact_id == among(contact_ids),
        )
    )
    return (await uow.session.execute(statement)).all()
