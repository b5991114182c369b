"""Paying for an operation before it runs: its price comes from the budgets of its caller; what it did not use goes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from math import ceil
from typing import Any, Protocol

from graphql import OperationDefinitionNode, OperationType

from server.config import BudgetSettings
from server.kit.budgets import Draw, Exhausted
from server.kit.clock import monotonic_s
from server.kit.ratelimit import Bucket
from server.schema.context import ApiContext
from server.schema.dry_run import is_dry_run
from server.schema.errors import RateLimited, TooComplex
from server.schema.limits import MAX_CHARACTERS, Documents, Prepared
from server.schema.pricing import BASE

CHARACTERS_A_POINT = 20
"""Of a document that is read for the first time."""
PATIENCE_S = 5.0
"""How long a subscription waits for its token's budget before it ends."""


class Keeper(Protocol):
    """What reads documents and keeps what it found."""

    def is_known(self, text: str) -> bool:
        """Say whether a document is kept, so that reading it costs nothing."""


async def pay_for_reading(context: ApiContext, keeper: Keeper, text: str) -> None:
    """Take what reading a document costs that is not kept: also what is refused then has been parsed and walked.

    Raises RateLimited while the budget is used up.
    """
    if not keeper.is_known(text):
        await _take(context, ceil(min(len(text), MAX_CHARACTERS) / CHARACTERS_A_POINT), is_exact=False)


@asynccontextmanager
async def paid(
    context: ApiContext,
    documents: Documents,
    prepared: Prepared,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> AsyncIterator[None]:
    """Take the price of an operation; at the end give back what it did not use, or take what it used beyond it.

    Raises TooComplex for a price that nobody may ask for at once, and RateLimited while the budget is used up.
    """
    price = documents.price(prepared, operation)
    context.price = price.points(variables)
    limits, sizes = context.services.settings.operations, context.services.settings.budgets
    is_known = context.caller is not None
    most = min(limits.max_price, sizes.organization, sizes.token) if is_known else limits.max_anonymous_price
    if context.price > most:
        raise TooComplex(
            f"The operation would cost {context.price} points; the limit is {most:.0f}."
            " Ask for smaller pages or fewer lists inside lists; limits.json says what fields cost."
        )
    context.is_refunded = operation.operation is OperationType.QUERY
    taken = BASE if is_dry_run(prepared, operation, variables) else context.price
    draws = await _take(context, taken, is_exact=price.is_exact)
    yield
    if context.meter is not None:
        # What a mutation really cost could tell what is there; beyond its price it is paid all the same.
        used = context.meter.points if context.is_refunded else max(taken, context.meter.points)
        context.services.budgets.give_back([draw.less(used) for draw in draws])


def charge_delivery(context: ApiContext, points: int) -> None:
    """Charge one change that a subscription tells to the token; it is owed, and paid before the next ones are read.

    The organization's budget is left out: what many of its people watch at once is bounded by the lane of deliveries.
    """
    for draw in _of_token(context, 0):
        context.services.budgets.give_back([draw.less(points)])


async def solvent(context: ApiContext) -> None:
    """Let a subscription go on when what its token owes is paid: it goes slower while that is a matter of seconds.

    Raises RateLimited for longer; the client subscribes again after its last cursor, and misses nothing.
    """
    ends_at = monotonic_s() + PATIENCE_S
    for draw in _of_token(context, 1):
        while True:
            try:
                await context.services.budgets.spend([draw])
            except Exhausted as error:
                if monotonic_s() + error.retry_after_s > ends_at:
                    raise _used_up(error, draw.price) from error
                await asyncio.sleep(error.retry_after_s)
            else:
                break


async def _take(context: ApiContext, points: int, *, is_exact: bool) -> list[Draw]:
    draws, budgets = _draws(context, points), context.services.budgets
    try:
        context.standing = await (budgets.spend_exactly(draws) if is_exact else budgets.spend(draws))
    except Exhausted as error:
        raise _used_up(error, points) from error
    return draws


def _used_up(error: Exhausted, points: float) -> RateLimited:
    wait_s = max(1, ceil(error.retry_after_s))
    return RateLimited(
        f"The budget of your {error.name} is used up: this costs {points:g} points."
        f" Retry in {wait_s} s; points come back every second.",
        wait_s,
    )


def _draws(context: ApiContext, points: int) -> list[Draw]:
    settings: BudgetSettings = context.services.settings.budgets
    caller = context.caller
    if caller is None:
        network = Bucket("network", settings.network, settings.network_per_s)
        return [Draw(network, context.sender.network, points)]
    organization = Bucket("organization", settings.organization, settings.organization_per_s)
    return [Draw(organization, str(caller.organization_id), points), *_of_token(context, points)]


def _of_token(context: ApiContext, points: int) -> list[Draw]:
    settings, caller = context.services.settings.budgets, context.caller
    if caller is None or caller.credential is None:
        return []
    token = Bucket("token", settings.token, settings.token_per_s)
    return [Draw(token, str(caller.credential.token_id), points)]
