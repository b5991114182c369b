"""GraphQL types of contacts: people, their names on pages, and labels."""

from __future__ import annotations

from uuid import UUID

import strawberry

from server.contacts.models import ContactIdentityRow, ContactRow, LabelRow
from server.inbox.views import ContactPart, LabelPart
from server.schema.channels.types import Page
from server.schema.consent.types import Consent, Suppression
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, loaded
from server.schema.declarations import readable
from server.schema.enums import Permission
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.tenants.types import Unit


@readable(Permission.CONTACT_READ)
@strawberry.type(description="A label that a unit, and everything under it, may put on contacts and conversations.")
class Label(Node):
    """A label."""

    name: str = strawberry.field(description="1 to 60 characters, unique at its unit.")
    color: str = strawberry.field(description='For example "#2f6fed".')
    label_id: strawberry.Private[UUID]

    @strawberry.field(description="The unit that it belongs to.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = await info.context.loaders.labels.load(self.label_id)
        owner = None if row is None else await info.context.loaders.units.load(row.unit_id)
        return None if owner is None else Unit.of(owner)

    @classmethod
    def of(cls, row: LabelRow | LabelPart) -> Label:
        """Show a label."""
        return cls(id=gid(Kind.LABEL, row.id), name=row.name, color=row.color, label_id=row.id)


@readable(Permission.CONTACT_READ)
@strawberry.type(description="How one page's platform names a contact.")
class ContactIdentity:
    """An identity."""

    external_id: str = strawberry.field(
        description="The platform's own id of the person; it differs from page to page."
    )
    page_id: strawberry.Private[UUID]

    @strawberry.field(description="The page.", directives=LOADED)
    async def page(self, info: Info) -> Page | None:
        """Resolve the page."""
        row = await info.context.loaders.pages.load(self.page_id)
        return None if row is None else Page.of(row)

    @classmethod
    def of(cls, row: ContactIdentityRow) -> ContactIdentity:
        """Show an identity."""
        return cls(external_id=row.external_id, page_id=row.page_id)


@readable(Permission.CONTACT_READ)
@strawberry.type(description="An end customer of one unit. Needs contact:read, or inbox:read on a conversation.")
class Contact(Node):
    """A contact."""

    name: str | None = strawberry.field(description="The name, if the platform or somebody told it.")
    first_name: str | None = strawberry.field(description="The first name, for greetings.")
    contact_id: strawberry.Private[UUID]

    @strawberry.field(description="The unit whose customer it is.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = await info.context.loaders.contacts.load(self.contact_id)
        owner = None if row is None else await info.context.loaders.units.load(row.unit_id)
        return None if owner is None else Unit.of(owner)

    @strawberry.field(description="The labels, by name.", directives=loaded(10))
    async def labels(self, info: Info) -> list[Label]:
        """Resolve the labels."""
        rows = await info.context.loaders.labels_of_contacts.load(self.contact_id)
        return [Label.of(row) for row in rows or ()]

    @strawberry.field(description="How the pages' platforms name the person, oldest first.", directives=loaded(5))
    async def identities(self, info: Info) -> list[ContactIdentity]:
        """Resolve the identities."""
        rows = await info.context.loaders.identities.load(self.contact_id)
        return [ContactIdentity.of(row) for row in rows or ()]

    @strawberry.field(description="The last word on each topic at each page, newest first.", directives=loaded(10))
    async def consents(self, info: Info) -> list[Consent]:
        """Resolve the last words."""
        rows = await info.context.loaders.consents.load(self.contact_id)
        return [Consent.of(row) for row in rows or ()]

    @strawberry.field(
        description="Why nothing may be sent to the person; null if messages may go out.", directives=LOADED
    )
    async def suppression(self, info: Info) -> Suppression | None:
        """Resolve the suppression."""
        row = await info.context.loaders.suppressions.load(self.contact_id)
        return None if row is None else Suppression.of(row)

    @classmethod
    def of(cls, row: ContactRow | ContactPart) -> Contact:
        """Show a contact."""
        return cls(id=gid(Kind.CONTACT, row.id), name=row.name, first_name=row.first_name, contact_id=row.id)


@finder(Kind.CONTACT)
async def _contact(context: ApiContext, value: UUID) -> Contact | None:
    row = await context.loaders.contacts.load(value)
    if row is None or not context.scope.may(Permission.CONTACT_READ, row.unit_id):
        return None
    return Contact.of(row)


@finder(Kind.LABEL)
async def _label(context: ApiContext, value: UUID) -> Label | None:
    row = await context.loaders.labels.load(value)
    return None if row is None else Label.of(row)
