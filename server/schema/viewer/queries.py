"""The query about the one who asks."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.schema.context import Info
from server.schema.cost import LOADED
from server.schema.enums import Permission
from server.schema.nodes import Kind, uid
from server.schema.permissions import query
from server.schema.viewer.types import Viewer


@strawberry.type
class ViewerQuery:
    """Root fields about the caller."""

    @query(None, "Who is asking, and what they may do.", costs=LOADED)
    async def viewer(self, info: Info) -> Viewer:
        """Show the caller."""
        return Viewer.of(info.context.scope)

    @query(
        None,
        "Whether the caller holds a permission on a unit; without a unit: on any at all. False for a unit that is out of reach"
        " or does not exist. Rules of single objects may still refuse.",
        costs=LOADED,
    )
    async def viewer_can(
        self,
        info: Info,
        permission: Annotated[Permission, strawberry.argument(description="What is to be done.")],
        unit_id: Annotated[strawberry.ID | None, strawberry.argument(description="Where.")] = None,
    ) -> bool:
        """Answer for one permission."""
        scope = info.context.scope
        if unit_id is None:
            return scope.may(permission)
        key = uid(Kind.UNIT, unit_id, "unitId")
        return await info.context.loaders.units.load(key) is not None and scope.may(permission, key)
