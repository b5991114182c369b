"""How channels leave: grants, pages and the raw events of their pages, which hold personal data."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, cast, column, exists, func, or_, select, table, tuple_
from sqlalchemy.dialects.postgresql import JSONPATH

from server.channels.models import (
    ConnectedAccountRow,
    ConnectionRow,
    PageRouteRow,
    PageRow,
    PageSyncRow,
    PlatformEventRow,
    PlatformRequestRow,
    StrayEventRow,
)
from server.tenants.leaving import How, Leaving, among, of_units

_IDENTITY = table(
    "contact_identity", column("organization_id"), column("contact_id"), column("page_id"), column("external_id")
)
"""Contacts' table, which stands beside this slice."""
_ANYWHERE = "$.** ? (@ == $name)"


def _events_of_pages(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    pages = select(PageRow.id).where(
        PageRow.organization_id == PlatformEventRow.organization_id, PageRow.unit_id == among(unit_ids)
    )
    return PlatformEventRow.page_id.in_(pages)


def _events_of_contact(contact_id: UUID) -> ColumnElement[bool]:
    """Choose the events of a person's own mailbox, and those of posts and groups that name the person anywhere."""
    mine = _IDENTITY.c.organization_id == PlatformEventRow.organization_id, _IDENTITY.c.contact_id == contact_id
    names = select(_IDENTITY.c.page_id, _IDENTITY.c.external_id).where(*mine)
    wanted = func.jsonb_build_object("name", _IDENTITY.c.external_id)
    is_named = exists().where(
        *mine,
        _IDENTITY.c.page_id == PlatformEventRow.page_id,
        func.jsonb_path_exists(PlatformEventRow.payload, cast(_ANYWHERE, JSONPATH), wanted),
    )
    return or_(tuple_(PlatformEventRow.page_id, PlatformEventRow.mailbox).in_(names), is_named)


LEAVING = (
    Leaving(PlatformEventRow, How.ROWS, _events_of_pages, _events_of_contact, is_first=True),
    Leaving(PageSyncRow, How.ROWS, of_units(PageSyncRow.unit_id)),
    Leaving(PageRow, How.ROWS, of_units(PageRow.unit_id)),
    Leaving(ConnectedAccountRow, How.ROWS, of_units(ConnectedAccountRow.unit_id)),
    Leaving(ConnectionRow, How.ROWS, of_units(ConnectionRow.unit_id)),
    Leaving(PageRouteRow, How.APART, note="server.channels.service.wipe_page gives the route free"),
    Leaving(PlatformRequestRow, How.STAYS, note="names no person, no page and no organization"),
    Leaving(StrayEventRow, How.APART, note="server.channels.service.forget_strays, by the names of the pages"),
)
