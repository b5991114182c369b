"""Mutations of privacy: parting with a client, and erasing one contact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.privacy import service
from server.privacy.service import Wish
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.enums import OffboardingPolicy
from server.schema.nodes import Kind, found, gid, uid
from server.schema.privacy.types import Offboarding
from server.schema.results import UserError, mutation, perform
from server.schema.tenants.operations import Operation
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="Which client leaves, and what becomes of its data.")
class ClientOffboardInput:
    """What an off-boarding needs."""

    unit_id: strawberry.ID = strawberry.field(
        description="A unit of kind CLIENT, BRAND, REGION or LOCATION; everything under it leaves with it."
    )
    policy: OffboardingPolicy = strawberry.field(
        description="ERASE: at once after the export. RETAIN: hidden at once, erased after `retainDays`."
    )
    retain_days: int | None = strawberry.field(
        default=None, description="1 to 3650 days; needed with RETAIN, refused with ERASE."
    )
    confirm_name: str = strawberry.field(description="The unit's name, exactly as it is shown.")
    reason: str = strawberry.field(
        description="Why: 1 to 500 characters. It stands in the certificate and nowhere else."
    )


@strawberry.type(description="The off-boarding that began, or why none did.")
class ClientOffboardPayload:
    """Result of clientOffboard."""

    offboarding: Offboarding | None = strawberry.field(default=None, description="The off-boarding, as it begins.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was begun.", directives=USER_ERRORS
    )


@strawberry.input(description="Who is to be erased, and why.")
class ContactEraseInput:
    """What an erasure needs."""

    contact_id: strawberry.ID = strawberry.field(description="The contact.")
    reason: str = strawberry.field(
        description="Why: 1 to 500 characters. It stays in the audit trail, so name nobody: give a reference instead."
    )


@strawberry.type(description="The operation that erases, or why there is none.")
class ContactErasePayload:
    """Result of contactErase."""

    operation: Operation | None = strawberry.field(
        default=None, description="The operation; its counts tell the erased rows by table once it SUCCEEDED."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing is erased.", directives=USER_ERRORS
    )


@strawberry.type
class PrivacyMutation:
    """Root fields by which data leaves for good."""

    @mutation(
        Permission.UNIT_OFFBOARD,
        ClientOffboardPayload,
        "Part with a client: from this moment nobody sees it and nothing is sent for it; then it is exported, its grants are "
        "taken back at the platforms, its staff is removed, its data is erased or retained, and a certificate says so. Cannot "
        "be undone. Needs unit:offboard on the unit and on the unit above it, where export and certificate are then found. "
        "A legal hold keeps the data from being erased until it is lifted.",
        needs_key=True,
    )
    async def client_offboard(
        self, info: Info, input: Annotated[ClientOffboardInput, strawberry.argument(description="The client.")]
    ) -> ClientOffboardPayload | None:
        """Begin an off-boarding."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            unit_id = uid(Kind.UNIT, input.unit_id, "unitId")
            wish = Wish(unit_id, input.policy, input.retain_days, input.confirm_name, input.reason)
            row = await service.offboard(uow, wish)
            return {"offboarding": gid(Kind.OFFBOARDING, row.id)}

        done = await perform(info, input, effect)
        return ClientOffboardPayload(offboarding=await found(info.context, done["offboarding"], Offboarding))

    @mutation(
        Permission.CONTACT_ERASE,
        ContactErasePayload,
        "Erase one contact everywhere: identities, messages both ways, notes, labels, consents, sends, raw events. From this "
        "moment nothing is sent to the person; a keyed hash stays, so that campaigns leave them alone if they come back by "
        "writing first. Cannot be undone. Needs contact:erase on the contact's unit. Refused under a legal hold.",
        needs_key=True,
    )
    async def contact_erase(
        self, info: Info, input: Annotated[ContactEraseInput, strawberry.argument(description="The contact.")]
    ) -> ContactErasePayload | None:
        """Begin to erase a contact."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            contact_id = uid(Kind.CONTACT, input.contact_id, "contactId")
            return {"operation": gid(Kind.OPERATION, await service.ask_to_erase(uow, contact_id, input.reason))}

        done = await perform(info, input, effect)
        return ContactErasePayload(operation=await found(info.context, done["operation"], Operation))
