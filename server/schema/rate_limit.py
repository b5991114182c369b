"""`rateLimit`: what the document costs, and what is left of the caller's tightest budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import strawberry

from server.schema.context import Info
from server.schema.cost import COMPUTED
from server.schema.declarations import readable
from server.schema.permissions import query


@readable(None)
@strawberry.type(
    description="The price of the document and the budget that pays it, in points; one point stands for one resolved field,"
    " ten for one SQL statement. limits.json lists the budgets."
)
class RateLimit:
    """Where the caller stands."""

    cost: int = strawberry.field(description="What the document costs at most; what it does not use is given back.")
    limit: int = strawberry.field(
        description="The size of the budget with the least left, the organization's or the token's."
    )
    remaining: int = strawberry.field(description="What is left of it, as far as this process knows.")
    restore_rate: int = strawberry.field(description="How many points come back each second.")
    reset_at: datetime = strawberry.field(description="When the budget will be full again if nothing more is spent.")


@strawberry.type
class RateLimitQuery:
    """Root field about the price of documents."""

    @query(
        None,
        "What this document costs and what is left to spend. With dryRun nothing else of the document runs, and only the"
        " price of the question itself is taken.",
        costs=COMPUTED,
    )
    async def rate_limit(
        self,
        info: Info,
        dry_run: Annotated[
            bool,
            strawberry.argument(description="Only find the price: every other root field is left out of the answer."),
        ] = False,
    ) -> RateLimit | None:
        """Show where the caller stands."""
        standing = info.context.standing
        if standing is None:
            return None
        missing = max(0.0, standing.maximum - standing.available)
        return RateLimit(
            cost=info.context.price,
            limit=int(standing.maximum),
            remaining=int(standing.available),
            restore_rate=int(standing.restore_per_s),
            reset_at=datetime.now(UTC) + timedelta(seconds=missing / standing.restore_per_s),
        )
