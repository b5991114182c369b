"""Queries of shared texts."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.kit.errors import DomainError
from server.kit.pagination import PageArguments
from server.schema.context import Info
from server.schema.cost import LOADED, PAGED
from server.schema.enums import TemplatePurpose
from server.schema.nodes import Kind, found, uid, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.schema.results import shown
from server.schema.templates.types import EffectiveTemplate, Template, TemplatePreview
from server.templates import service
from server.templates.render import render
from server.tenants import service as tenants
from server.tenants.rules import Permission

MAX_VARIABLES = 100


@strawberry.input(description="Which templates. What is not given does not restrict.")
class TemplateFilter:
    """A filter of templates."""

    unit_id: strawberry.ID | None = strawberry.field(default=None, description="Only those that this unit owns.")
    archived: bool = strawberry.field(default=False, description="Whether archived ones are listed as well.")


@strawberry.input(description="The value of one variable.")
class TemplateVariableInput:
    """A variable and its value."""

    name: str = strawberry.field(description='The whole name, for example "contact.first_name".')
    value: str = strawberry.field(description="What stands in its place.")


UnitId = Annotated[strawberry.ID, strawberry.argument(description="The unit that would say it.")]


@strawberry.type
class TemplatesQuery:
    """Root fields about shared texts."""

    @query(
        Permission.TEMPLATE_READ,
        "Templates that the caller's units own or that are in force there, by name.",
        costs=PAGED,
    )
    async def templates(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[TemplateFilter | None, strawberry.argument(description="Which templates.")] = None,
    ) -> Connection[Template]:
        """List templates."""
        wanted = filter or TemplateFilter()
        unit_id = uid_or_none(Kind.UNIT, wanted.unit_id, "filter", "unitId")
        async with info.context.read() as uow:
            page = await service.list_templates(
                uow, PageArguments(first, after, last, before), unit_id, archived=wanted.archived
            )
        return connection(page, Template.of)

    @query(Permission.TEMPLATE_READ, "One template; null if there is none in reach.", costs=LOADED)
    async def template(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Template | None:
        """Find a template."""
        return await found(info.context, id, Template)

    @query(Permission.TEMPLATE_READ, "What a unit can say now, by name. Needs template:read on the unit.", costs=PAGED)
    async def effective_templates(
        self,
        info: Info,
        unit_id: UnitId,
        search: Annotated[
            str | None, strawberry.argument(description="Words of the name or the text; at most 200 characters.")
        ] = None,
        purpose: Annotated[
            TemplatePurpose | None, strawberry.argument(description="Only templates for this purpose.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[EffectiveTemplate]:
        """List what is in force at a unit."""
        arguments = PageArguments(first, after, last, before)
        async with info.context.read() as uow:
            page = await service.list_effective(uow, uid(Kind.UNIT, unit_id, "unitId"), arguments, search, purpose)
        return connection(page, EffectiveTemplate.of)

    @query(
        Permission.TEMPLATE_READ,
        "What a unit would say with these values; unit.name is filled in. Needs template:read on the unit.",
        costs=LOADED,
    )
    async def template_preview(
        self,
        info: Info,
        unit_id: UnitId,
        template_id: Annotated[strawberry.ID, strawberry.argument(description="The template.")],
        variables: Annotated[
            list[TemplateVariableInput] | None, strawberry.argument(description="Values; at most 100 are read.")
        ] = None,
    ) -> TemplatePreview:
        """Fill in a text."""
        given = {one.name: one.value for one in (variables or [])[:MAX_VARIABLES]}
        try:
            async with info.context.read() as uow:
                unit_key = uid(Kind.UNIT, unit_id, "unitId")
                words = await service.effective(uow, unit_key, uid(Kind.TEMPLATE, template_id, "templateId"))
                unit = await tenants.unit(uow, unit_key)
            return TemplatePreview(text=render(words.body, {"unit.name": unit.name, **given}))
        except DomainError as error:
            return TemplatePreview(user_errors=[shown(error)])
