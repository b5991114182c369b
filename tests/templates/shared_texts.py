"""Shared texts in the words of the tests: publish, release to the end, count the statements, open many locations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from server.kit.db import Database
from server.templates import service as templates
from server.templates.models import ReleaseState, TemplatePurpose, TemplateReleaseRow
from server.tenants.scope import Scope
from server.tenants.uow import begin
from tests.factories.tenants import AnOrganization

_OPEN = text(
    "WITH made AS (INSERT INTO unit (organization_id, id, parent_id, kind, name, attributes)"
    " SELECT :org, gen_random_uuid(), :root, 'LOCATION', 'bulk ' || n, '{}' FROM generate_series(1, :count) n"
    " RETURNING id)"
    " INSERT INTO unit_closure (organization_id, ancestor_id, descendant_id, depth)"
    " SELECT :org, id, id, 0 FROM made UNION ALL SELECT :org, :root, id, 1 FROM made"
)


async def open_locations(database: Database, organization: AnOrganization, count: int) -> None:
    """Put `count` locations under the root, in one statement."""
    async with begin(database, organization.scope) as uow:
        # The foreign keys' checks are planned while the table is still small, and scan it row by row from then on.
        await uow.session.execute(text("SET LOCAL enable_seqscan = off"))
        await uow.session.execute(text("SET LOCAL statement_timeout = '120s'"))  # ten thousand on a busy machine
        await uow.session.execute(_OPEN, {"org": organization.id, "root": organization.root_id, "count": count})


async def a_text(database: Database, scope: Scope, unit_id: UUID, body: str = "Hello", name: str = "Greeting") -> UUID:
    """Create a REPLY template with one version."""
    async with begin(database, scope) as uow:
        row = await templates.create_template(uow, unit_id=unit_id, name=name, purpose=TemplatePurpose.REPLY, body=body)
    return row.id


async def published(database: Database, scope: Scope, template_id: UUID, body: str) -> int:
    """Publish a version and return its number."""
    async with begin(database, scope) as uow:
        return (await templates.publish_version(uow, template_id, body)).number


async def released(
    database: Database, scope: Scope, template_id: UUID, unit_id: UUID, number: int | None = None
) -> TemplateReleaseRow:
    """Release a version and place all pages of it."""
    async with begin(database, scope) as uow:
        started = await templates.release(uow, template_id, number, unit_id)
    return await placed(database, scope, started.id)


async def placed(database: Database, scope: Scope, release_id: UUID) -> TemplateReleaseRow:
    """Place page after page until the release is done, each in a unit of work of its own."""
    while True:
        async with begin(database, scope) as uow:
            row = await templates.place_page(uow, release_id)
        if row is None or row.state is not ReleaseState.RUNNING:
            async with begin(database, scope) as uow:
                return await templates.release_by_id(uow, release_id)


async def said_at(database: Database, scope: Scope, unit_id: UUID, template_id: UUID) -> str:
    """Return the text that is in force at the unit."""
    async with begin(database, scope) as uow:
        return (await templates.effective(uow, unit_id, template_id)).body


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements of the application role, without those that set the context of a transaction."""
    seen: list[str] = []

    def note(_c: Connection, _k: object, statement: str, *_rest: object) -> None:
        if "set_config" not in statement:
            seen.append(statement)

    event.listen(database.app_engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.app_engine.sync_engine, "before_cursor_execute", note)
