"""Queries of contacts."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.contacts import service
from server.kit.pagination import PageArguments
from server.schema.contacts.types import Contact, Label
from server.schema.context import Info
from server.schema.cost import PAGED
from server.schema.nodes import Kind, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.input(description="Which contacts are wanted; what is left out is no condition.")
class ContactFilter:
    """Conditions on contacts; all of them hold."""

    unit_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only contacts of this unit and of everything under it."
    )
    label_id: strawberry.ID | None = strawberry.field(default=None, description="Only contacts with this label.")


@strawberry.type
class ContactsQuery:
    """Root fields about people and labels."""

    @query(Permission.CONTACT_READ, "Contacts, newest first.", costs=PAGED)
    async def contacts(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[ContactFilter | None, strawberry.argument(description="Which contacts.")] = None,
    ) -> Connection[Contact]:
        """List contacts."""
        wanted = filter or ContactFilter()
        unit_id = uid_or_none(Kind.UNIT, wanted.unit_id, "filter", "unitId")
        label_id = uid_or_none(Kind.LABEL, wanted.label_id, "filter", "labelId")
        async with info.context.read() as uow:
            page = await service.list_contacts(uow, PageArguments(first, after, last, before), unit_id, label_id)
        return connection(page, Contact.of)

    @query(Permission.CONTACT_READ, "Labels, by name.", costs=PAGED)
    async def labels(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        unit_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Only those that this unit may use: its own and those of the units above."),
        ] = None,
    ) -> Connection[Label]:
        """List labels."""
        wanted = uid_or_none(Kind.UNIT, unit_id, "unitId")
        async with info.context.read() as uow:
            page = await service.list_labels(uow, PageArguments(first, after, last, before), wanted)
        return connection(page, Label.of)
