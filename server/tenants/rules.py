"""What people may do: permissions, the built-in roles, and the shape of the unit tree. Pure decisions, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class OrganizationKind(StrEnum):
    """What our customer is. The tenant is always the organization."""

    AGENCY = "AGENCY"
    FRANCHISOR = "FRANCHISOR"
    BUSINESS = "BUSINESS"


class UnitKind(StrEnum):
    """What a node of the tree stands for. Every organization has one HEADQUARTERS, the root."""

    HEADQUARTERS = "HEADQUARTERS"
    BRAND = "BRAND"
    REGION = "REGION"
    CLIENT = "CLIENT"
    LOCATION = "LOCATION"


class Permission(StrEnum):
    """One thing a person or an app may do on a unit and everything under it: `noun:verb`."""

    ORGANIZATION_MANAGE = "organization:manage"
    UNIT_MANAGE = "unit:manage"
    MEMBER_READ = "member:read"
    MEMBER_MANAGE = "member:manage"
    TOKEN_MANAGE = "token:manage"  # noqa: S105 - a permission, not a secret
    CHANNEL_READ = "channel:read"
    CHANNEL_CONNECT = "channel:connect"
    CONTACT_READ = "contact:read"
    CONTACT_WRITE = "contact:write"
    CONSENT_WRITE = "consent:write"
    INBOX_READ = "inbox:read"
    INBOX_WORK = "inbox:work"
    INBOX_REPLY = "inbox:reply"
    TEMPLATE_READ = "template:read"
    TEMPLATE_WRITE = "template:write"
    TEMPLATE_RELEASE = "template:release"
    TEMPLATE_OVERRIDE = "template:override"
    CAMPAIGN_READ = "campaign:read"
    CAMPAIGN_WRITE = "campaign:write"
    CAMPAIGN_APPROVE = "campaign:approve"
    CAMPAIGN_STOP = "campaign:stop"
    COST_READ = "cost:read"
    DEAD_LETTER_READ = "dead_letter:read"
    AUDIT_READ = "audit:read"


class Role(StrEnum):
    """The built-in bundles of permissions (issue of record: people hold roles on units)."""

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    MANAGER = "MANAGER"
    OPERATOR = "OPERATOR"
    APPROVER = "APPROVER"
    ANALYST = "ANALYST"


_READS = frozenset(
    {
        Permission.CHANNEL_READ,
        Permission.CONTACT_READ,
        Permission.INBOX_READ,
        Permission.TEMPLATE_READ,
        Permission.CAMPAIGN_READ,
        Permission.MEMBER_READ,
    }
)
_OPERATES = _READS | {Permission.INBOX_WORK, Permission.INBOX_REPLY, Permission.CONTACT_WRITE}
_MANAGES = _OPERATES | {
    Permission.CHANNEL_CONNECT,
    Permission.CONSENT_WRITE,
    Permission.TEMPLATE_WRITE,
    Permission.TEMPLATE_OVERRIDE,
    Permission.TEMPLATE_RELEASE,
    Permission.CAMPAIGN_WRITE,
    Permission.CAMPAIGN_STOP,
    Permission.COST_READ,
    Permission.DEAD_LETTER_READ,
}

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission) - {Permission.ORGANIZATION_MANAGE},
    Role.MANAGER: _MANAGES,
    Role.OPERATOR: _OPERATES,
    # The client's seat: sees the campaigns it decides on and what they cost, and nothing of the agency's daily work.
    Role.APPROVER: frozenset(
        {
            Permission.CAMPAIGN_READ,
            Permission.CAMPAIGN_APPROVE,
            Permission.CAMPAIGN_STOP,
            Permission.TEMPLATE_READ,
            Permission.COST_READ,
        }
    ),
    Role.ANALYST: _READS | {Permission.COST_READ},
}

_CHILDREN: Mapping[UnitKind, frozenset[UnitKind]] = {
    UnitKind.HEADQUARTERS: frozenset(UnitKind) - {UnitKind.HEADQUARTERS},
    UnitKind.BRAND: frozenset({UnitKind.BRAND, UnitKind.REGION, UnitKind.LOCATION}),
    UnitKind.REGION: frozenset({UnitKind.REGION, UnitKind.LOCATION}),
    UnitKind.CLIENT: frozenset({UnitKind.BRAND, UnitKind.REGION, UnitKind.LOCATION}),
    UnitKind.LOCATION: frozenset(),
}

MAX_DEPTH = 12
MAX_NAME = 200


def may_stand_under(kind: UnitKind, parent: UnitKind) -> bool:
    """Say whether a unit of `kind` may be created under one of kind `parent`."""
    return kind in _CHILDREN[parent]
