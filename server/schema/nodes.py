"""Global ids: one prefix per kind, the `Node` interface, and how a node is found again.

An id of another tenant, of another kind or never made at all is the same thing here: nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

import strawberry

from server.kit import ids
from server.kit.errors import DomainError, NotFound
from server.schema.context import ApiContext


class Kind(StrEnum):
    """The prefix of each kind of id. Never change one; clients store ids."""

    ORGANIZATION = "org"
    UNIT = "unit"
    MEMBER = "mem"
    TOKEN = "tok"  # noqa: S105 - a prefix
    CONNECTION = "con"
    PAGE = "page"
    CONTACT = "ct"
    LABEL = "lbl"
    TOPIC = "top"
    CONVERSATION = "cnv"
    MESSAGE = "msg"
    NOTE = "note"
    TEMPLATE = "tpl"
    TEMPLATE_VERSION = "tplv"
    TEMPLATE_RELEASE = "tplr"
    TEMPLATE_OVERRIDE = "tplo"
    CAMPAIGN = "cmp"
    APPROVAL = "apr"
    SEND = "snd"
    DEAD_LETTER = "dead"
    AUDIT_EVENT = "aud"
    OPERATION = "opn"
    FILE = "file"
    GROUP = "grp"
    ROLE = "role"
    MEMBERSHIP = "mbs"
    INVITATION = "inv"
    CONFLICT = "cfl"
    CONFLICT_EXCEPTION = "cfx"
    SESSION = "ses"
    PASSKEY = "pky"
    APP = "app"
    APP_GRANT = "agr"
    LEGAL_ACCESS = "lga"
    LEGAL_HOLD = "lgh"
    OFFBOARDING = "off"
    PUBLIC_COMMENT = "pcm"
    MEDIA = "med"
    DOCUMENT = "doc"


@strawberry.interface(description="Anything that can be asked for again by its id.")
class Node:
    """An object with a global id."""

    id: strawberry.ID = strawberry.field(description="Opaque and stable; the tenant always comes from the token.")


def gid(kind: Kind, value: UUID) -> strawberry.ID:
    """Write a global id."""
    return strawberry.ID(ids.encode(kind.value, value))


def uid(kind: Kind, text: str, *path: str) -> UUID:
    """Read a global id of one kind; a malformed one or one of another kind is NotFound, like a foreign one."""
    try:
        return ids.decode_as(kind.value, text)
    except ids.MalformedId as error:
        raise NotFound(path=path) from error


def uid_or_none(kind: Kind, text: str | None, *path: str) -> UUID | None:
    """Read an optional global id."""
    return None if text is None else uid(kind, text, *path)


def uids(kind: Kind, texts: Sequence[str], *path: str) -> list[UUID]:
    """Read several global ids of one kind."""
    return [uid(kind, text, *path) for text in texts]


N = TypeVar("N", bound=Node)
Finder = Callable[[ApiContext, UUID], Awaitable[Node | None]]
_FINDERS: dict[Kind, Finder] = {}


def finder(kind: Kind) -> Callable[[Finder], Finder]:
    """Register how nodes of a kind are found; the function returns None for what the scope does not see."""

    def register(find: Finder) -> Finder:
        _FINDERS[kind] = find
        return find

    return register


async def found(context: ApiContext, text: object, kind: type[N]) -> N | None:
    """Return the node of an id that a mutation's result names."""
    node = await find(context, str(text))
    return node if isinstance(node, kind) else None


async def find(context: ApiContext, text: str) -> Node | None:
    """Return the node of this id, or None if the caller cannot see one."""
    try:
        prefix, value = ids.decode(text)
        find_one = _FINDERS[Kind(prefix)]
    except (ids.MalformedId, KeyError, ValueError):
        return None
    try:
        node = await find_one(context, value)
    except DomainError:  # whatever keeps it from being shown: a refusal would tell that it exists
        return None
    return node if node is not None and context.may_read(type(node)) else None
