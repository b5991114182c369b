"""Mutations of the trail: exports, legal access, legal holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import strawberry

from server.audit import service
from server.audit.service import AccessRequest, Hold
from server.schema.audit.legal_reading import check_subject
from server.schema.audit.legal_types import LegalAccess, LegalHold
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.enums import LegalBasis
from server.schema.nodes import Kind, found, gid, uid, uid_or_none
from server.schema.results import UserError, mutation, perform
from server.schema.tenants.operations import Operation
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="Which part of the trail; what is left out does not restrict.")
class AuditExportInput:
    """A range of times."""

    from_: datetime | None = strawberry.field(name="from", default=None, description="From this time on.")
    to: datetime | None = strawberry.field(default=None, description="Before this time.")


@strawberry.type(description="The work that writes the file, or why there is none.")
class AuditExportPayload:
    """Result of auditExport."""

    operation: Operation | None = strawberry.field(
        default=None, description="The work; its file can be read when it has SUCCEEDED, for 7 days."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type
class LegalAccessChange:
    """What payloads about one legal access have in common; not a type of the schema itself."""

    legal_access: LegalAccess | None = strawberry.field(default=None, description="The legal access as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The request, or why there is none.")
class LegalAccessRequestPayload(LegalAccessChange):
    """Result of legalAccessRequest."""


@strawberry.type(description="The decided request, or why it was not decided.")
class LegalAccessDecidePayload(LegalAccessChange):
    """Result of legalAccessDecide."""


@strawberry.type(description="The ended access or withdrawn request, or why nothing was done.")
class LegalAccessEndPayload(LegalAccessChange):
    """Result of legalAccessEnd."""


@strawberry.type
class LegalHoldChange:
    """What payloads about one legal hold have in common; not a type of the schema itself."""

    legal_hold: LegalHold | None = strawberry.field(default=None, description="The legal hold as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The legal hold, or why there is none.")
class LegalHoldSetPayload(LegalHoldChange):
    """Result of legalHoldSet."""


@strawberry.type(description="The lifted legal hold, or why it stands.")
class LegalHoldLiftPayload(LegalHoldChange):
    """Result of legalHoldLift."""


@strawberry.input(
    description="What is to be read, on what basis, for how long. Name either a contact or a conversation."
)
class LegalAccessRequestInput:
    """A request."""

    unit_id: strawberry.ID = strawberry.field(description="The unit that the conversation or the contact belongs to.")
    basis: LegalBasis = strawberry.field(description="The kind of basis.")
    reference: str = strawberry.field(description="The file number or the like: 1 to 200 printable characters.")
    reason: str = strawberry.field(description="Why: 1 to 2,000 characters.")
    contact_id: strawberry.ID | None = strawberry.field(
        default=None, description="A contact of the unit: all its conversations there."
    )
    conversation_id: strawberry.ID | None = strawberry.field(default=None, description="One conversation of the unit.")
    hours: int = strawberry.field(default=24, description="How long it lasts from the decision on: 1 to 72.")
    is_secret_until: datetime | None = strawberry.field(
        default=None,
        description="If the law forbids to tell those concerned: until when, at most 366 days from now. Until then only "
        "whoever asked and those with legal:grant on the whole organization see it.",
    )


@strawberry.input(description="A decision on a request.")
class LegalAccessDecideInput:
    """What is decided."""

    legal_access_id: strawberry.ID = strawberry.field(description="The request.")
    is_granted: bool = strawberry.field(description="true: it may be read; false: it may not.")
    comment: str = strawberry.field(default="", description="Why, at most 2,000 characters.")


@strawberry.input(description="The end of an access, or of a request that nobody decided.")
class LegalAccessEndInput:
    """What is ended."""

    legal_access_id: strawberry.ID = strawberry.field(description="The access or the request.")


@strawberry.input(description="What must not be erased, and why.")
class LegalHoldSetInput:
    """A hold."""

    unit_id: strawberry.ID = strawberry.field(description="The unit with everything under it, or the contact's own.")
    basis: LegalBasis = strawberry.field(description="The kind of basis.")
    reference: str = strawberry.field(description="The file number or the like: 1 to 200 printable characters.")
    reason: str = strawberry.field(description="Why: 1 to 2,000 characters.")
    contact_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only this contact of the unit; without it the whole unit."
    )


@strawberry.input(description="The end of a hold.")
class LegalHoldLiftInput:
    """What is lifted."""

    legal_hold_id: strawberry.ID = strawberry.field(description="The hold.")
    reason: str = strawberry.field(description="Why it is not needed any more: 1 to 2,000 characters.")


@strawberry.type
class AuditMutation:
    """Root fields that export the trail and act on a legal basis."""

    @mutation(
        Permission.AUDIT_READ,
        AuditExportPayload,
        "Write the trail into a file that can be checked offline with `switchboard audit verify`. Needs audit:read on the "
        "whole organization; is itself written into the trail.",
    )
    async def audit_export(
        self, info: Info, input: Annotated[AuditExportInput, strawberry.argument(description="Which part.")]
    ) -> AuditExportPayload | None:
        """Export the trail."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.start_export(uow, input.from_, input.to)
            return {"operation": gid(Kind.OPERATION, row.id)}

        done = await perform(info, input, effect)
        return AuditExportPayload(operation=await found(info.context, done["operation"], Operation))

    @mutation(
        Permission.LEGAL_REQUEST,
        LegalAccessRequestPayload,
        "Ask to read conversations under a legal basis. Needs legal:request on the unit; people only. Nothing may be read "
        "before somebody else has granted it.",
    )
    async def legal_access_request(
        self, info: Info, input: Annotated[LegalAccessRequestInput, strawberry.argument(description="The request.")]
    ) -> LegalAccessRequestPayload | None:
        """Ask for access."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            wanted = _request(input)
            await check_subject(uow, wanted.unit_id, wanted.contact_id, wanted.conversation_id)
            row = await service.request_access(uow, wanted)
            return {"access": gid(Kind.LEGAL_ACCESS, row.id)}

        done = await perform(info, input, effect)
        return LegalAccessRequestPayload(legal_access=await found(info.context, done["access"], LegalAccess))

    @mutation(
        Permission.LEGAL_GRANT,
        LegalAccessDecidePayload,
        "Grant or refuse a legal access that somebody else asked for. Needs legal:grant on its unit; people only.",
        needs_key=True,
    )
    async def legal_access_decide(
        self, info: Info, input: Annotated[LegalAccessDecideInput, strawberry.argument(description="The decision.")]
    ) -> LegalAccessDecidePayload | None:
        """Decide on a request."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            access_id = uid(Kind.LEGAL_ACCESS, input.legal_access_id, "legalAccessId")
            row = await service.decide_access(uow, access_id, is_granted=input.is_granted, comment=input.comment)
            return {"access": gid(Kind.LEGAL_ACCESS, row.id)}

        done = await perform(info, input, effect)
        return LegalAccessDecidePayload(legal_access=await found(info.context, done["access"], LegalAccess))

    @mutation(
        None,
        LegalAccessEndPayload,
        "Withdraw a request, or end an access before its time. For whoever asked, and with legal:grant on its unit.",
    )
    async def legal_access_end(
        self, info: Info, input: Annotated[LegalAccessEndInput, strawberry.argument(description="Which one.")]
    ) -> LegalAccessEndPayload | None:
        """End an access."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.end_access(uow, uid(Kind.LEGAL_ACCESS, input.legal_access_id, "legalAccessId"))
            return {"access": gid(Kind.LEGAL_ACCESS, row.id)}

        done = await perform(info, input, effect)
        return LegalAccessEndPayload(legal_access=await found(info.context, done["access"], LegalAccess))

    @mutation(
        Permission.LEGAL_REQUEST,
        LegalHoldSetPayload,
        "Forbid to erase anything of a unit and what lies under it, or of one contact. Needs legal:request on the unit.",
    )
    async def legal_hold_set(
        self, info: Info, input: Annotated[LegalHoldSetInput, strawberry.argument(description="The hold.")]
    ) -> LegalHoldSetPayload | None:
        """Set a hold."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            unit_id = uid(Kind.UNIT, input.unit_id, "unitId")
            contact_id = uid_or_none(Kind.CONTACT, input.contact_id, "contactId")
            await check_subject(uow, unit_id, contact_id, None)
            wanted = Hold(unit_id, contact_id, input.basis, input.reference, input.reason)
            return {"hold": gid(Kind.LEGAL_HOLD, (await service.hold(uow, wanted)).id)}

        done = await perform(info, input, effect)
        return LegalHoldSetPayload(legal_hold=await found(info.context, done["hold"], LegalHold))

    @mutation(
        Permission.LEGAL_GRANT,
        LegalHoldLiftPayload,
        "Let what was held be erased again. Needs legal:grant on the unit of the hold.",
    )
    async def legal_hold_lift(
        self, info: Info, input: Annotated[LegalHoldLiftInput, strawberry.argument(description="Which hold.")]
    ) -> LegalHoldLiftPayload | None:
        """Lift a hold."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            hold_id = uid(Kind.LEGAL_HOLD, input.legal_hold_id, "legalHoldId")
            return {"hold": gid(Kind.LEGAL_HOLD, (await service.lift_hold(uow, hold_id, input.reason)).id)}

        done = await perform(info, input, effect)
        return LegalHoldLiftPayload(legal_hold=await found(info.context, done["hold"], LegalHold))


def _request(input: LegalAccessRequestInput) -> AccessRequest:
    return AccessRequest(
        unit_id=uid(Kind.UNIT, input.unit_id, "unitId"),
        contact_id=uid_or_none(Kind.CONTACT, input.contact_id, "contactId"),
        conversation_id=uid_or_none(Kind.CONVERSATION, input.conversation_id, "conversationId"),
        basis=input.basis,
        reference=input.reference,
        reason=input.reason,
        hours=input.hours,
        secret_until=input.is_secret_until,
    )
