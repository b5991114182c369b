"""GraphQL types of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import orjson
import strawberry

from server.audit.models import AuditEventRow
from server.audit.service import Head
from server.schema.context import ApiContext
from server.schema.cost import held
from server.schema.declarations import readable
from server.schema.nodes import Kind, Node, finder, gid
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind

_ACTORS = {ActorKind.MEMBER.value: Kind.MEMBER, ActorKind.APP.value: Kind.TOKEN}
_SUBJECTS = {
    "organization:self": Kind.ORGANIZATION,
    "unit:self": Kind.UNIT,
    "member:self": Kind.MEMBER,
    "member:role": Kind.MEMBER,
    "member:invitation": Kind.INVITATION,
    "role:self": Kind.ROLE,
    "unit:conflict": Kind.CONFLICT,
    "unit:conflict_exception": Kind.CONFLICT_EXCEPTION,
    "token:self": Kind.TOKEN,
    "channel:connection": Kind.CONNECTION,
    "channel:page": Kind.PAGE,
    "template:self": Kind.TEMPLATE,
    "template:version": Kind.TEMPLATE,
    "template:override": Kind.TEMPLATE,
    "template:release": Kind.TEMPLATE_RELEASE,
    "campaign:self": Kind.CAMPAIGN,
    "campaign:approval": Kind.CAMPAIGN,
    "campaign:run": Kind.CAMPAIGN,
    "consent:topic": Kind.CONTACT,
    "consent:suppression": Kind.CONTACT,
    "inbox:conversation": Kind.CONVERSATION,
    "inbox:message": Kind.MESSAGE,
    "inbox:note": Kind.NOTE,
    "contact:self": Kind.CONTACT,
    "contact:label": Kind.CONTACT,
    "label:self": Kind.LABEL,
    "topic:self": Kind.TOPIC,
    "send:unknown": Kind.SEND,
    "audit:trail": Kind.OPERATION,
    "legal:access": Kind.LEGAL_ACCESS,
    "legal:hold": Kind.LEGAL_HOLD,
}
"""What an act was done to, by the first two words of the action."""


@readable(Permission.AUDIT_READ)
@strawberry.type(
    description="The end of the organization's chain. Note it outside: it proves later that nothing was cut off."
)
class AuditHead:
    """An end."""

    seq: int = strawberry.field(description="The number of the newest act; 0 before the first.")
    hash: str = strawberry.field(description="Its hash in hexadecimal digits; 64 zeros before the first.")

    @classmethod
    def of(cls, head: Head) -> AuditHead:
        """Show the end."""
        return cls(seq=head.seq, hash=head.hash.hex())


@readable(None)
@strawberry.type(description="One fact, as name and value.")
class NamedValue:
    """A name and its value."""

    name: str = strawberry.field(description="What it is.")
    value: str | None = strawberry.field(description="A text as it is, anything else as JSON; null for nothing.")

    @classmethod
    def all_of(cls, values: Mapping[str, object]) -> list[NamedValue]:
        """Show a JSON object, in its order."""
        return [cls(name=name, value=_text(value)) for name, value in values.items()]


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


@readable(Permission.AUDIT_READ)
@strawberry.type(description="One act of the append-only trail; each is chained to the one before it.")
class AuditEvent(Node):
    """An act."""

    seq: int = strawberry.field(description="Its number within the organization: 1, 2, 3 and so on without gaps.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    actor_name: str = strawberry.field(description="Who did it, as called then.")
    actor_id: strawberry.ID | None = strawberry.field(
        description="The member or the app's token; null for Switchboard."
    )
    action: str = strawberry.field(description='What was done, for example "campaign:approval:grant".')
    subject_id: strawberry.ID | None = strawberry.field(
        description="What it was done to, also when it is gone; null for what has no id here."
    )
    details: list[NamedValue] = strawberry.field(
        description="Facts about the act; never a secret or a message's text.", directives=held(20)
    )
    hash: str = strawberry.field(description="SHA-256 over the act and the hash before it, in hexadecimal digits.")

    @classmethod
    def of(cls, row: AuditEventRow) -> AuditEvent:
        """Show an act."""
        kind = _ACTORS.get(row.actor_kind)
        subject = _SUBJECTS.get(row.action.rpartition(":")[0])
        return cls(
            id=gid(Kind.AUDIT_EVENT, row.id),
            seq=row.seq,
            occurred_at=row.occurred_at,
            actor_name=row.actor_name,
            actor_id=None if kind is None else gid(kind, row.actor_id),
            action=row.action,
            subject_id=None if subject is None else gid(subject, row.subject_id),
            details=NamedValue.all_of(row.details),
            hash=bytes(row.hash).hex(),
        )


@finder(Kind.AUDIT_EVENT)
async def _event(context: ApiContext, value: UUID) -> AuditEvent | None:
    row = await context.loaders.audit_events.load(value)
    return None if row is None else AuditEvent.of(row)
