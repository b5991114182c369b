"""What people may do: permissions, the built-in roles, and the shape of the unit tree. Pure decisions, no I/O."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from server.kit.errors import InvalidInput


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
    UNIT_OFFBOARD = "unit:offboard"
    SETTING_WRITE = "setting:write"
    MEMBER_READ = "member:read"
    MEMBER_MANAGE = "member:manage"
    ROLE_MANAGE = "role:manage"
    TOKEN_MANAGE = "token:manage"  # noqa: S105 - a permission, not a secret
    APP_MANAGE = "app:manage"
    DOCUMENT_MANAGE = "document:manage"
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
    LEGAL_REQUEST = "legal:request"
    LEGAL_GRANT = "legal:grant"
    CONTACT_ERASE = "contact:erase"


class Role(StrEnum):
    """The built-in bundles of permissions (issue of record: people hold roles on units)."""

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    MANAGER = "MANAGER"
    OPERATOR = "OPERATOR"
    APPROVER = "APPROVER"
    ANALYST = "ANALYST"


class OperationKind(StrEnum):
    """What long work can be asked for."""

    UNIT_IMPORT = "UNIT_IMPORT"
    AUDIT_EXPORT = "AUDIT_EXPORT"
    CLIENT_OFFBOARDING = "CLIENT_OFFBOARDING"
    CONTACT_ERASURE = "CONTACT_ERASURE"
    CHANNEL_CONNECT = "CHANNEL_CONNECT"


class OperationState(StrEnum):
    """Where long work stands. The last two are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class DepartureKind(StrEnum):
    """What leaves for good."""

    UNIT = "UNIT"
    CONTACT = "CONTACT"


WATCHED_WITH: Mapping[OperationKind, Permission] = {
    OperationKind.UNIT_IMPORT: Permission.UNIT_MANAGE,
    OperationKind.AUDIT_EXPORT: Permission.AUDIT_READ,
    OperationKind.CLIENT_OFFBOARDING: Permission.UNIT_OFFBOARD,
    OperationKind.CONTACT_ERASURE: Permission.CONTACT_ERASE,
    OperationKind.CHANNEL_CONNECT: Permission.CHANNEL_CONNECT,
}
"""What others than the one who asked for it need on its unit to see an operation."""

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
    Permission.SETTING_WRITE,
}

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission)
    - {Permission.ORGANIZATION_MANAGE, Permission.UNIT_OFFBOARD, Permission.LEGAL_GRANT},
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
"""Levels below headquarters."""
MAX_NAME = 200
MAX_CODE = 64
MAX_ADDRESS = 254
"""RFC 5321, 4.5.3.1.3: a path has at most 256 octets, two of them its angle brackets."""


def may_stand_under(kind: UnitKind, parent: UnitKind) -> bool:
    """Say whether a unit of `kind` may be created under one of kind `parent`."""
    return kind in _CHILDREN[parent]


@dataclass(frozen=True, slots=True)
class UnitFilter:
    """Which units are wanted; None is no condition. `is_archived` None wants both, `search` begins a name or a code."""

    kind: UnitKind | None = None
    parent_id: UUID | None = None
    under_id: UUID | None = None
    group_id: UUID | None = None
    is_archived: bool | None = False
    search: str | None = None


def kinds_that_fit() -> list[tuple[UnitKind, UnitKind]]:
    """List every pair of a kind and the kind of a parent that it may stand under."""
    return [(kind, parent) for parent, kinds in _CHILDREN.items() for kind in sorted(kinds)]


def is_external_code(code: str) -> bool:
    """Say whether this can be an organization's own number of a unit."""
    return 1 <= len(code) <= MAX_CODE and code.isprintable() and code == code.strip()


def name_problems(name: str, *path: str) -> list[InvalidInput]:
    """Return what is wrong with a name of a unit, person, role or app: nothing, or one problem at `path`."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        return [InvalidInput(f"A name has 1 to {MAX_NAME} printable characters.", path=path or ("name",))]
    return []


def address_key(text: str) -> str | None:
    """Return the form in which an e-mail address is stored and compared (NFKC, folded case); None if it is no address."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())
    local, mark, domain = folded.rpartition("@")
    is_plain = folded.isprintable() and not any(one in folded for one in ' ,;<>"()')
    is_address = mark and 0 < len(local) <= 64 and domain and "@" not in local and not domain.startswith(".")
    return folded if is_plain and is_address and len(folded.encode()) <= MAX_ADDRESS else None
