"""SQL of reading: a page of conversations with all that was asked for, in at most two statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Row,
    Select,
    Uuid,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from server.channels.models import PageRow
from server.contacts.models import ContactRow, LabelRow
from server.inbox.models import ConversationLabelRow, ConversationRow, MessageRow
from server.inbox.views import (
    AssigneePart,
    ContactPart,
    ConversationFilter,
    ConversationView,
    LabelPart,
    LastMessagePart,
    PagePart,
    Parts,
)
from server.kit.nested import over
from server.kit.pagination import Keyset, PageArguments
from server.tenants.models import MemberRow, UnitClosureRow

_CORE = (
    ConversationRow.id,
    ConversationRow.unit_id,
    ConversationRow.page_id,
    ConversationRow.contact_id,
    ConversationRow.kind,
    ConversationRow.status,
    ConversationRow.folder,
    ConversationRow.category,
    ConversationRow.assignee_id,
    ConversationRow.last_message_id,
    ConversationRow.last_message_at,
    ConversationRow.last_inbound_at,
    ConversationRow.unread_count,
    ConversationRow.revision,
    ConversationRow.created_at,
)
_CONTACT = (ContactRow.id, ContactRow.name, ContactRow.first_name)
_PAGE = (PageRow.id, PageRow.channel, PageRow.external_id, PageRow.name)
_ASSIGNEE = (MemberRow.id, MemberRow.name)
_LAST_MESSAGE = (
    MessageRow.id,
    MessageRow.direction,
    MessageRow.state,
    MessageRow.text,
    func.jsonb_array_length(MessageRow.attachments) > 0,
    MessageRow.occurred_at,
    MessageRow.unsent_at,
)


async def list_conversations(
    session: AsyncSession,
    organization_id: UUID,
    keyset: Keyset,
    arguments: PageArguments,
    wanted: ConversationFilter,
    parts: Parts,
    unit_ids: Collection[UUID] | None,
) -> list[ConversationView]:
    """Return up to `size + 1` conversations of the page; `unit_ids` None stands for every unit."""
    own = ConversationRow.organization_id == organization_id
    conditions = [own, *_conditions(wanted), *keyset.beyond(arguments)]
    units = _units(organization_id, wanted.unit_id, unit_ids)
    if units is not None:
        statement = _select(parts).where(own, ConversationRow.id.in_(_merged(conditions, units, keyset, arguments)))
    else:
        statement = _select(parts).where(*conditions)
    # A filter may be rare, which only a plan of its own knows; without one a plan made once is the best there is.
    is_plain = units is not None or wanted == ConversationFilter()
    size = arguments.size + 1
    ordered = statement.order_by(*keyset.order(arguments)).limit(_written(size) if is_plain else size)
    return await _views(session, organization_id, ordered, parts)


async def conversations_by_id(
    session: AsyncSession,
    organization_id: UUID,
    ids: Sequence[UUID],
    parts: Parts,
    unit_ids: Collection[UUID] | None,
) -> list[ConversationView]:
    """Return the conversations with these ids, in no order."""
    statement = _select(parts).where(
        ConversationRow.organization_id == organization_id,
        ConversationRow.id.in_(ids),
        *_in_units(unit_ids),
    )
    return await _views(session, organization_id, statement, parts)


async def horizon(session: AsyncSession) -> int:
    """Return the oldest transaction that may still commit: everything below it is settled and visible."""
    return int(
        (await session.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))).scalar_one()
    )


async def changes(
    session: AsyncSession,
    organization_id: UUID,
    after: tuple[int, UUID],
    below: int,
    limit: int,
    unit_ids: Collection[UUID] | None,
) -> list[tuple[ConversationView, int]]:
    """Return conversations changed after the position and below the horizon, oldest change first, with their change."""
    parts = Parts.every()
    statement = (
        _select(parts, ConversationRow.change_xid)
        .where(
            ConversationRow.organization_id == organization_id,
            tuple_(ConversationRow.change_xid, ConversationRow.id) > tuple_(*after),
            ConversationRow.change_xid < below,
            *_in_units(unit_ids),
        )
        .order_by(ConversationRow.change_xid, ConversationRow.id)
        .limit(limit)
    )
    rows = (await session.execute(statement)).all()
    views = await _labelled(session, organization_id, [_view(row, parts) for row in rows], parts)
    return [(view, row[-1]) for view, row in zip(views, rows, strict=True)]


async def has_change_from(
    session: AsyncSession, organization_id: UUID, after: tuple[int, UUID], unit_ids: Collection[UUID] | None
) -> bool:
    """Say whether anything visible changed after the position, settled or not."""
    found = exists().where(
        ConversationRow.organization_id == organization_id,
        tuple_(ConversationRow.change_xid, ConversationRow.id) > tuple_(*after),
        *_in_units(unit_ids),
    )
    return bool((await session.execute(select(found))).scalar_one())


def _units(organization_id: UUID, above: UUID | None, unit_ids: Collection[UUID] | None) -> FromClause | None:
    """Return the units whose conversations are wanted, as rows: those reached, those under one, or both; None for all."""
    if above is not None:
        row = UnitClosureRow
        below = select(row.descendant_id.label("unit_id")).where(
            row.organization_id == organization_id, row.ancestor_id == above
        )
        return (below if unit_ids is None else below.where(row.descendant_id == _any(unit_ids))).subquery("wanted")
    if unit_ids is None:
        return None
    # Inside of a SELECT the number of units is hidden, so that one plan is made for all scopes, and not one per request.
    reached = select(literal(list(unit_ids), ARRAY(Uuid()))).scalar_subquery()
    return func.unnest(reached).table_valued("unit_id", name="wanted").render_derived()


def _merged(
    conditions: Sequence[ColumnElement[bool]], units: FromClause, keyset: Keyset, arguments: PageArguments
) -> Select[UUID]:
    """Return the ids of the page: the merge of the lists of all units, each read from its own range of the index.

    A unit costs one probe for its head, the first row of its list. Rows are read of the units with the first heads only,
    as many as the page has rows, and none that come after the last of these heads: so many come before it already. The
    organization's own index is no way to it: the rows of quiet units may lie behind those of all others.
    """
    limit, first = arguments.size + 1, keyset.keys[0]
    head = _top(units, conditions, keyset, arguments, 1)
    heads = (
        select(units.c.unit_id, over(keyset, head).keys[0].column.label("at"))
        .join_from(units, head, true())
        .order_by(*over(keyset, head).order(arguments))
        .limit(_written(limit))
        .cte("heads")
    )
    is_falling = first.descending is not arguments.is_backward
    last, end = (func.min, "-infinity") if is_falling else (func.max, "infinity")
    # One scalar without a COALESCE around it: PostgreSQL holds that for leaky, and behind a wall starts no index there.
    bound = select(
        case((func.count() == limit, last(heads.c.at)), else_=cast(end, first.column.type))
    ).scalar_subquery()
    within = first.column >= bound if is_falling else first.column <= bound
    rest = _top(heads, [*conditions, within], keyset, arguments, limit)
    merged = select(rest.c.id).join_from(heads, rest, true())
    return merged.order_by(*over(keyset, rest).order(arguments)).limit(_written(limit))


def _top(
    units: FromClause, conditions: Sequence[ColumnElement[bool]], keyset: Keyset, arguments: PageArguments, count: int
) -> FromClause:
    """Return the first rows of the list of each unit, by their sort columns."""
    statement = select(*(key.column for key in keyset.keys))
    of_unit = statement.where(*conditions, ConversationRow.unit_id == units.c.unit_id)
    return of_unit.order_by(*keyset.order(arguments)).limit(_written(count)).correlate(units).lateral()


def _written(count: int) -> ColumnElement[int]:
    """Return a LIMIT as text of the statement: with a parameter there PostgreSQL plans for a tenth of all rows, or anew."""
    return literal_column(str(int(count)))


def _conditions(wanted: ConversationFilter) -> Iterator[ColumnElement[bool]]:
    row = ConversationRow
    equal: Iterable[tuple[InstrumentedAttribute[Any], object]] = (
        (row.status, wanted.status),
        (row.folder, wanted.folder),
        (row.page_id, wanted.page_id),
        (row.assignee_id, wanted.assignee_id),
        (row.category, wanted.category),
        (row.contact_id, wanted.contact_id),
    )
    yield from (column == value for column, value in equal if value is not None)
    if wanted.unassigned is not None:
        yield row.assignee_id.is_(None) if wanted.unassigned else row.assignee_id.is_not(None)
    if wanted.label_id is not None:
        yield exists().where(
            ConversationLabelRow.organization_id == row.organization_id,
            ConversationLabelRow.conversation_id == row.id,
            ConversationLabelRow.label_id == wanted.label_id,
        )


def _in_units(unit_ids: Collection[UUID] | None) -> Iterator[ColumnElement[bool]]:
    if unit_ids is not None:
        yield ConversationRow.unit_id == _any(unit_ids)


def _any(ids: Collection[UUID]) -> ColumnElement[UUID]:
    return func.any(literal(list(ids), ARRAY(Uuid())))


def _select(parts: Parts, *more: InstrumentedAttribute[Any]) -> Select[*tuple[Any, ...]]:
    row = ConversationRow
    columns: list[ColumnElement[Any] | InstrumentedAttribute[Any]] = list(_CORE)
    chosen = [found for found in _joins(parts) if found is not None]
    for part, _, _ in chosen:
        columns.extend(part)
    statement: Select[*tuple[Any, ...]] = select(*columns, *more).select_from(row)
    for _, target, key in chosen:
        statement = statement.outerjoin(target, and_(target.organization_id == row.organization_id, target.id == key))
    return statement


_Join = tuple[tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...], type[Any], InstrumentedAttribute[Any]]


def _joins(parts: Parts) -> Iterator[_Join]:
    row = ConversationRow
    if parts.contact:
        yield _CONTACT, ContactRow, row.contact_id
    if parts.page:
        yield _PAGE, PageRow, row.page_id
    if parts.assignee:
        yield _ASSIGNEE, MemberRow, row.assignee_id
    if parts.last_message:
        yield _LAST_MESSAGE, MessageRow, row.last_message_id


def _view(row: Row[*tuple[Any, ...]], parts: Parts) -> ConversationView:
    at = len(_CORE)
    found: dict[str, Any] = {}
    for name, is_wanted, width, kind in (
        ("contact", parts.contact, len(_CONTACT), ContactPart),
        ("page", parts.page, len(_PAGE), PagePart),
        ("assignee", parts.assignee, len(_ASSIGNEE), AssigneePart),
        ("last_message", parts.last_message, len(_LAST_MESSAGE), LastMessagePart),
    ):
        if is_wanted:
            if row[at] is not None:
                found[name] = kind(*row[at : at + width])
            at += width
    return ConversationView(*row[: len(_CORE)], **found)


async def _views(
    session: AsyncSession, organization_id: UUID, statement: Select[*tuple[Any, ...]], parts: Parts
) -> list[ConversationView]:
    views = [_view(row, parts) for row in await session.execute(statement)]
    return await _labelled(session, organization_id, views, parts)


async def _labelled(
    session: AsyncSession, organization_id: UUID, views: list[ConversationView], parts: Parts
) -> list[ConversationView]:
    if not parts.labels or not views:
        return views
    statement = (
        select(ConversationLabelRow.conversation_id, LabelRow.id, LabelRow.name, LabelRow.color)
        .join(
            LabelRow,
            and_(
                LabelRow.organization_id == ConversationLabelRow.organization_id,
                LabelRow.id == ConversationLabelRow.label_id,
            ),
        )
        .where(
            ConversationLabelRow.organization_id == organization_id,
            # An array, unlike an IN of as many parameters, is one statement for any number of rows, planned once.
            ConversationLabelRow.conversation_id == _any([view.id for view in views]),
        )
        .order_by(LabelRow.name, LabelRow.id)
    )
    found: dict[UUID, list[LabelPart]] = {}
    for conversation_id, label_id, name, color in await session.execute(statement):
        found.setdefault(conversation_id, []).append(LabelPart(label_id, name, color))
    return [replace(view, labels=tuple(found[view.id])) if view.id in found else view for view in views]
