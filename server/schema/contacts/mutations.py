"""Mutations of contacts: names, labels, and who must be left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.consent import service as consent
from server.contacts import service
from server.schema.contacts.types import Contact, Label
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.enums import SuppressionReason
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

DEFAULT_COLOR = "#6b7280"


@strawberry.type
class ContactChange:
    """What payloads about one contact have in common; not a type of the schema itself."""

    contact: Contact | None = strawberry.field(default=None, description="The contact as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was changed.", directives=USER_ERRORS
    )


@strawberry.type(description="The renamed contact, or why it was not.")
class ContactRenamePayload(ContactChange):
    """Result of contactRename."""


@strawberry.type(description="The labelled contact, or why it was not.")
class ContactLabelPayload(ContactChange):
    """Result of contactLabel."""


@strawberry.type(description="The contact without the label, or why nothing was changed.")
class ContactUnlabelPayload(ContactChange):
    """Result of contactUnlabel."""


@strawberry.type(description="The new label, or why there is none.")
class LabelCreatePayload:
    """Result of labelCreate."""

    label: Label | None = strawberry.field(default=None, description="The new label.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.input(description="A contact's names. Both are written.")
class ContactRenameInput:
    """What renaming needs."""

    contact_id: strawberry.ID = strawberry.field(description="The contact.")
    name: str | None = strawberry.field(default=None, description="1 to 200 characters; null for an unknown name.")
    first_name: str | None = strawberry.field(
        default=None, description="1 to 200 characters; null for an unknown first name."
    )


@strawberry.input(description="A label for a contact.")
class ContactLabelInput:
    """Which label on which contact."""

    contact_id: strawberry.ID = strawberry.field(description="The contact.")
    label_id: strawberry.ID = strawberry.field(description="A label of the contact's unit or of one above it.")


@strawberry.input(description="A label to take off a contact.")
class ContactUnlabelInput:
    """Which label off which contact."""

    contact_id: strawberry.ID = strawberry.field(description="The contact.")
    label_id: strawberry.ID = strawberry.field(description="The label; nothing happens if it is not there.")


@strawberry.input(description="A new label.")
class LabelCreateInput:
    """What a label needs."""

    unit_id: strawberry.ID = strawberry.field(description="The unit that may use it, with everything under it.")
    name: str = strawberry.field(description="1 to 60 characters, unique at the unit.")
    color: str = strawberry.field(default=DEFAULT_COLOR, description="# and six hexadecimal digits in lower case.")


@strawberry.input(description="Who is to be left alone, and why.")
class ContactSuppressInput:
    """What a suppression needs."""

    contact_id: strawberry.ID = strawberry.field(description="The contact.")
    reason: SuppressionReason = strawberry.field(
        default=SuppressionReason.MANUAL,
        description="Why. A reason that the person gave replaces one that we gave, never the other way round.",
    )


@strawberry.type(description="The suppressed contact, or why it was not.")
class ContactSuppressPayload(ContactChange):
    """Result of contactSuppress."""


@strawberry.input(description="Who may be written to again.")
class ContactUnsuppressInput:
    """Which contact."""

    contact_id: strawberry.ID = strawberry.field(description="The contact.")


@strawberry.type(description="The contact, or why nothing was changed.")
class ContactUnsuppressPayload(ContactChange):
    """Result of contactUnsuppress."""


@strawberry.type
class ContactsMutation:
    """Root fields that change people and labels."""

    @mutation(
        Permission.CONTACT_WRITE,
        ContactRenamePayload,
        "Give a contact other names. Needs contact:write on its unit.",
    )
    async def contact_rename(
        self, info: Info, input: Annotated[ContactRenameInput, strawberry.argument(description="The names.")]
    ) -> ContactRenamePayload | None:
        """Rename a contact."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            contact_id = uid(Kind.CONTACT, input.contact_id, "contactId")
            row = await service.rename(uow, contact_id, input.name, input.first_name)
            return {"contact": gid(Kind.CONTACT, row.id)}

        done = await perform(info, input, effect)
        return ContactRenamePayload(contact=await found(info.context, done["contact"], Contact))

    @mutation(
        Permission.CONTACT_WRITE,
        ContactLabelPayload,
        "Put a label on a contact; repeating it changes nothing. Needs contact:write on its unit.",
    )
    async def contact_label(
        self, info: Info, input: Annotated[ContactLabelInput, strawberry.argument(description="The label.")]
    ) -> ContactLabelPayload | None:
        """Label a contact."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            contact_id = uid(Kind.CONTACT, input.contact_id, "contactId")
            row = await service.label_contact(uow, contact_id, uid(Kind.LABEL, input.label_id, "labelId"))
            return {"contact": gid(Kind.CONTACT, row.id)}

        done = await perform(info, input, effect)
        return ContactLabelPayload(contact=await found(info.context, done["contact"], Contact))

    @mutation(
        Permission.CONTACT_WRITE,
        ContactUnlabelPayload,
        "Take a label off a contact; repeating it changes nothing. Needs contact:write on its unit.",
    )
    async def contact_unlabel(
        self, info: Info, input: Annotated[ContactUnlabelInput, strawberry.argument(description="The label.")]
    ) -> ContactUnlabelPayload | None:
        """Unlabel a contact."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            contact_id = uid(Kind.CONTACT, input.contact_id, "contactId")
            row = await service.unlabel_contact(uow, contact_id, uid(Kind.LABEL, input.label_id, "labelId"))
            return {"contact": gid(Kind.CONTACT, row.id)}

        done = await perform(info, input, effect)
        return ContactUnlabelPayload(contact=await found(info.context, done["contact"], Contact))

    @mutation(
        Permission.CONTACT_WRITE,
        LabelCreatePayload,
        "Create a label for a unit and everything under it. Needs contact:write there.",
    )
    async def label_create(
        self, info: Info, input: Annotated[LabelCreateInput, strawberry.argument(description="The label.")]
    ) -> LabelCreatePayload | None:
        """Create a label."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            unit_id = uid(Kind.UNIT, input.unit_id, "unitId")
            row = await service.create_label(uow, unit_id, input.name, input.color)
            return {"label": gid(Kind.LABEL, row.id)}

        done = await perform(info, input, effect)
        return LabelCreatePayload(label=await found(info.context, done["label"], Label))

    @mutation(
        Permission.CONSENT_WRITE,
        ContactSuppressPayload,
        "Send nothing more to a contact, from any page of the organization. Needs consent:write on the contact's unit.",
    )
    async def contact_suppress(
        self, info: Info, input: Annotated[ContactSuppressInput, strawberry.argument(description="The suppression.")]
    ) -> ContactSuppressPayload | None:
        """Suppress a contact."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            contact_id = uid(Kind.CONTACT, input.contact_id, "contactId")
            await consent.suppress(uow, contact_id, input.reason)
            return {"contact": gid(Kind.CONTACT, contact_id)}

        done = await perform(info, input, effect)
        return ContactSuppressPayload(contact=await found(info.context, done["contact"], Contact))

    @mutation(
        Permission.CONSENT_WRITE,
        ContactUnsuppressPayload,
        "Let messages to a contact out again. Needs consent:write on the contact's unit.",
    )
    async def contact_unsuppress(
        self, info: Info, input: Annotated[ContactUnsuppressInput, strawberry.argument(description="The contact.")]
    ) -> ContactUnsuppressPayload | None:
        """Lift a suppression."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            contact_id = uid(Kind.CONTACT, input.contact_id, "contactId")
            await consent.lift_suppression(uow, contact_id)
            return {"contact": gid(Kind.CONTACT, contact_id)}

        done = await perform(info, input, effect)
        return ContactUnsuppressPayload(contact=await found(info.context, done["contact"], Contact))
