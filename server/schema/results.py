"""Mutations: one unit of work each, errors as data, and idempotency. The one place where `DomainError` becomes GraphQL."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, TypeVar, cast

import strawberry
from graphql import DirectiveNode, StringValueNode, VariableNode
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver
from strawberry.types.field import StrawberryField

from server.kit.errors import (
    DomainError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    IdempotencyRequired,
    Problems,
    error_classes,
)
from server.schema import refusals
from server.schema.context import Info
from server.schema.cost import Cost, held
from server.schema.declarations import IdempotencyIsRequired, readable
from server.schema.permissions import RequireNothing, RequirePermission
from server.tenants import idempotency
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

_TOP_LEVEL = (IdempotencyRequired, IdempotencyKeyReused, IdempotencyInProgress)
P = TypeVar("P")


def enum_name(code: str) -> str:
    """Write a code such as `campaign.content_changed` as the value of a GraphQL enum."""
    return re.sub(r"[^A-Za-z0-9]", "_", code).upper()


def _codes() -> type[Enum]:
    described: dict[str, object] = {}
    loaded = {module.__name__ for module in refusals.MODULES}
    for kind in sorted(error_classes(), key=lambda one: one.code):
        if kind.__module__ in loaded and not issubclass(kind, _TOP_LEVEL):
            text = (kind.__doc__ or "").strip().splitlines()[0]
            described[enum_name(kind.code)] = strawberry.enum_value(enum_name(kind.code), description=text)
    return cast("type[Enum]", Enum("UserErrorCode", described))


UserErrorCode = strawberry.enum(
    _codes(), name="UserErrorCode", description="Every reason a mutation can refuse its input for."
)


@strawberry.interface(description="One refusal of a mutation's input. The object of the payload is null then.")
class UserError:
    """What every refusal tells."""

    code: UserErrorCode = strawberry.field(description="The stable reason.")  # type: ignore[valid-type]
    message: str = strawberry.field(description="A sentence for people that says what to do.")
    path: list[str] = strawberry.field(
        description="The offending input, outermost first; empty for the whole.", directives=held(3)
    )


@readable(None)
@strawberry.type(description="A refusal without further data.")
class InputError(UserError):
    """A refusal that its code, message and path tell completely."""


@readable(None)
@strawberry.type(description="One fact of a refusal.")
class ErrorDetail:
    """A name and its values."""

    name: str = strawberry.field(description='For example "missing" or "permission".')
    values: list[str] = strawberry.field(description="The values, as text.", directives=held(5))


@readable(None)
@strawberry.type(description="A refusal that names what would help, as name and value.")
class DetailedError(UserError):
    """A refusal with data, such as the missing variables of a template."""

    details: list[ErrorDetail] = strawberry.field(description="What would help to mend the input.", directives=held(3))


def shown(error: DomainError) -> UserError:
    """Show one refusal."""
    code = UserErrorCode[enum_name(error.code)]
    if not error.data:
        return InputError(code=code, message=error.message, path=list(error.path))
    details = [
        ErrorDetail(name=name, values=[str(one) for one in value] if isinstance(value, (list, tuple)) else [str(value)])
        for name, value in error.data.items()
    ]
    return DetailedError(code=code, message=error.message, path=list(error.path), details=details)


class Refusals(FieldExtension):
    """Turns refusals raised by the service into the payload's `userErrors`; its unit of work was rolled back."""

    def __init__(self, payload: type) -> None:
        self._payload = payload

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Info, **kwargs: Any) -> Any:
        """Resolve, or build a payload that says why not."""
        try:
            # What an earlier field of the document showed may still hold the connection; services may open their own.
            await info.context.reads.begin_anew()
            return await next_(source, info, **kwargs)
        except _TOP_LEVEL:
            raise
        except Problems as many:
            return self._payload(user_errors=[shown(one) for one in many.problems])
        except DomainError as one:
            return self._payload(user_errors=[shown(one)])


class NeedsKey(FieldExtension):
    """Refuses a field without an idempotency key."""

    def apply(self, field: StrawberryField) -> None:
        """Print the declaration into the SDL."""
        if not any(isinstance(one, IdempotencyIsRequired) for one in field.directives):
            field.directives = [*field.directives, IdempotencyIsRequired()]

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Info, **kwargs: Any) -> Any:
        """Check for the key, then resolve."""
        if key_of(info) is None:
            raise IdempotencyRequired
        return await next_(source, info, **kwargs)


WRITES = [Cost(weight=10, statements=40)]
"""What a mutation costs that declares nothing else: it reads, checks, writes, leaves a trail and defers work."""
PROVES = [Cost(weight=50, statements=10)]
"""What a mutation costs that anybody may ask for: a password is hashed, and attempts are counted."""


def anonymous_mutation(payload: type, description: str, *, costs: Sequence[object] = PROVES) -> Any:
    """Declare a mutation field that needs no token. It is not idempotent: there is no caller to keep a key for."""
    extensions = [RequireNothing(), Refusals(payload)]
    return strawberry.mutation(description=description, extensions=extensions, directives=costs)


def mutation(
    permission: Permission | None,
    payload: type,
    description: str,
    *,
    needs_key: bool = False,
    costs: Sequence[object] = WRITES,
) -> Any:
    """Declare a mutation field with its permission, payload and costs; `needs_key` for what sends, approves or publishes."""
    # The last one is the outermost: refusals of the permission and of the service alike become data.
    inner: list[FieldExtension] = [NeedsKey()] if needs_key else []
    extensions = [*inner, RequirePermission(permission), Refusals(payload)]
    return strawberry.mutation(description=description, extensions=extensions, directives=costs)


def key_of(info: Info) -> str | None:
    """Return the idempotency key of this field: its @idempotent directive, else the request's header."""
    for node in info._raw_info.field_nodes:
        for directive in node.directives or ():
            if directive.name.value == "idempotent":
                return _directive_key(info, directive)
    return info.context.idempotency_key


def _directive_key(info: Info, directive: DirectiveNode) -> str | None:
    for argument in directive.arguments or ():
        if isinstance(argument.value, StringValueNode):
            return argument.value.value
        if isinstance(argument.value, VariableNode):
            return cast("str | None", info.variable_values.get(argument.value.name.value))
    return None


async def perform(
    info: Info, input: object, effect: Callable[[UnitOfWork], Awaitable[Mapping[str, object]]]
) -> Mapping[str, object]:
    """Run a mutation's effect in one unit of work and return its result: names and ids as JSON values.

    With an idempotency key the effect happens once: the result is stored in the same transaction and a repetition gets it
    back. `input` is what the key is bound to. The payload is built from the result after the commit.
    """
    key = key_of(info)
    if key is None:
        async with info.context.write() as uow:
            return await effect(uow)
    mark = idempotency.fingerprint(info.field_name, {"input": strawberry.asdict(input)})

    async def attempt() -> Mapping[str, object]:
        async with info.context.write() as uow:
            return await idempotency.once(uow, key, mark, partial(effect, uow))

    return await idempotency.in_turn(attempt, info.context.wait)
