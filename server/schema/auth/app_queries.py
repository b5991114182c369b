"""Queries of apps and grants."""

from __future__ import annotations

import strawberry

from server.auth.service import oauth
from server.kit.pagination import PageArguments
from server.schema.auth.app_types import App, AppGrant
from server.schema.context import Info
from server.schema.cost import PAGED
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.type
class AppsQuery:
    """Root fields about apps."""

    @query(
        Permission.APP_MANAGE,
        "Apps on whose units the caller holds app:manage, archived ones too; newest first.",
        costs=PAGED,
    )
    async def apps(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[App]:
        """List apps."""
        async with info.context.read() as uow:
            page = await oauth.list_apps(uow, PageArguments(first, after, last, before))
        return connection(page, App.of)

    @query(
        None,
        "What the caller granted to apps, and with app:manage on the whole tree what anybody did; newest first.",
        costs=PAGED,
    )
    async def app_grants(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[AppGrant]:
        """List grants."""
        async with info.context.read() as uow:
            page = await oauth.list_app_grants(uow, PageArguments(first, after, last, before))
        return connection(page, AppGrant.of)
