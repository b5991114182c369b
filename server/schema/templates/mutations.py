"""Mutations of shared texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.enums import TemplatePurpose
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.schema.templates.types import EffectiveTemplate, Template, TemplateRelease, TemplateVersion
from server.templates import service
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="A new template.")
class TemplateCreateInput:
    """What a template needs."""

    unit_id: strawberry.ID = strawberry.field(description="The unit that owns it.")
    name: str = strawberry.field(description="1 to 200 printable characters, unique at the unit.")
    purpose: TemplatePurpose = strawberry.field(description="What it may be used for; fixed for ever.")
    body: str | None = strawberry.field(
        default=None, description="The first words, published as version 1: 1 to 10,000 characters."
    )


@strawberry.input(description="A new wording.")
class TemplatePublishVersionInput:
    """What a version needs."""

    template_id: strawberry.ID = strawberry.field(description="The template.")
    body: str = strawberry.field(description="The words, 1 to 10,000 characters, with {{ variables }}.")


@strawberry.input(description="A push of a version to the locations under a unit.")
class TemplateReleaseInput:
    """What a release needs."""

    template_id: strawberry.ID = strawberry.field(description="The template.")
    version_number: int | None = strawberry.field(default=None, description="The version; the newest if not given.")
    unit_id: strawberry.ID = strawberry.field(description="The unit for whose locations it is; at or under the owner.")


@strawberry.input(description="The undoing of a release.")
class TemplateReleaseRollBackInput:
    """Which release."""

    release_id: strawberry.ID = strawberry.field(description="The release.")


@strawberry.input(description="A unit's own wording.")
class TemplateOverrideInput:
    """What an override needs."""

    unit_id: strawberry.ID = strawberry.field(description="The unit.")
    template_id: strawberry.ID = strawberry.field(description="A template that was released to it.")
    body: str = strawberry.field(description="The unit's own words, 1 to 10,000 characters.")


@strawberry.input(description="The end of a unit's own wording.")
class TemplateOverrideRemoveInput:
    """Which override."""

    unit_id: strawberry.ID = strawberry.field(description="The unit.")
    template_id: strawberry.ID = strawberry.field(description="The template.")


@strawberry.input(description="The end of a template.")
class TemplateArchiveInput:
    """Which template."""

    template_id: strawberry.ID = strawberry.field(description="The template.")


@strawberry.type(description="The template, or why nothing was done.")
class TemplatePayload:
    """Result of templateCreate and templateArchive."""

    template: Template | None = strawberry.field(default=None, description="The template as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The new version, or why there is none.")
class TemplatePublishVersionPayload:
    """Result of templatePublishVersion."""

    version: TemplateVersion | None = strawberry.field(default=None, description="The new version.")
    template: Template | None = strawberry.field(default=None, description="Its template as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type(description="The release, or why nothing was done.")
class TemplateReleasePayload:
    """Result of templateRelease and templateReleaseRollBack."""

    release: TemplateRelease | None = strawberry.field(default=None, description="The release as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="What the unit says now, or why nothing was done.")
class TemplateOverridePayload:
    """Result of templateOverride and templateOverrideRemove."""

    effective_template: EffectiveTemplate | None = strawberry.field(default=None, description="What the unit says now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type
class TemplatesMutation:
    """Root fields that change shared texts."""

    @mutation(
        Permission.TEMPLATE_WRITE,
        TemplatePayload,
        "Create a template, and publish its first version if there is a body. Needs template:write on the unit.",
    )
    async def template_create(
        self, info: Info, input: Annotated[TemplateCreateInput, strawberry.argument(description="The template.")]
    ) -> TemplatePayload | None:
        """Create a template."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.create_template(
                uow,
                unit_id=uid(Kind.UNIT, input.unit_id, "unitId"),
                name=input.name,
                purpose=input.purpose,
                body=input.body,
            )
            return {"template": gid(Kind.TEMPLATE, row.id)}

        done = await perform(info, input, effect)
        return TemplatePayload(template=await found(info.context, done["template"], Template))

    @mutation(
        Permission.TEMPLATE_WRITE,
        TemplatePublishVersionPayload,
        "Publish a new wording; it never changes afterwards. Needs template:write on the template's unit.",
        needs_key=True,
    )
    async def template_publish_version(
        self,
        info: Info,
        input: Annotated[TemplatePublishVersionInput, strawberry.argument(description="The wording.")],
    ) -> TemplatePublishVersionPayload | None:
        """Publish a version."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.publish_version(uow, uid(Kind.TEMPLATE, input.template_id, "templateId"), input.body)
            return {"version": gid(Kind.TEMPLATE_VERSION, row.id), "template": gid(Kind.TEMPLATE, row.template_id)}

        done = await perform(info, input, effect)
        return TemplatePublishVersionPayload(
            version=await found(info.context, done["version"], TemplateVersion),
            template=await found(info.context, done["template"], Template),
        )

    @mutation(
        Permission.TEMPLATE_RELEASE,
        TemplateReleasePayload,
        "Put a version in force for all locations under a unit; own wordings are kept. Needs template:release there.",
        needs_key=True,
    )
    async def template_release(
        self, info: Info, input: Annotated[TemplateReleaseInput, strawberry.argument(description="The release.")]
    ) -> TemplateReleasePayload | None:
        """Release a version."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.release(
                uow,
                uid(Kind.TEMPLATE, input.template_id, "templateId"),
                input.version_number,
                uid(Kind.UNIT, input.unit_id, "unitId"),
            )
            return {"release": gid(Kind.TEMPLATE_RELEASE, row.id)}

        return await _released(info, await perform(info, input, effect))

    @mutation(
        Permission.TEMPLATE_RELEASE,
        TemplateReleasePayload,
        "Take a release back: every unit says again what it said without it. Repeatable. Needs template:release there.",
        needs_key=True,
    )
    async def template_release_roll_back(
        self,
        info: Info,
        input: Annotated[TemplateReleaseRollBackInput, strawberry.argument(description="Which release.")],
    ) -> TemplateReleasePayload | None:
        """Roll a release back."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.roll_back(uow, uid(Kind.TEMPLATE_RELEASE, input.release_id, "releaseId"))
            return {"release": gid(Kind.TEMPLATE_RELEASE, row.id)}

        return await _released(info, await perform(info, input, effect))

    @mutation(
        Permission.TEMPLATE_OVERRIDE,
        TemplateOverridePayload,
        "Give a unit its own wording of a template that was released to it. Needs template:override on the unit.",
    )
    async def template_override(
        self, info: Info, input: Annotated[TemplateOverrideInput, strawberry.argument(description="The wording.")]
    ) -> TemplateOverridePayload | None:
        """Override a text."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            unit_id = uid(Kind.UNIT, input.unit_id, "unitId")
            row = await service.override(uow, unit_id, uid(Kind.TEMPLATE, input.template_id, "templateId"), input.body)
            return _place(row)

        return await _in_force(info, await perform(info, input, effect))

    @mutation(
        Permission.TEMPLATE_OVERRIDE,
        TemplateOverridePayload,
        "Drop a unit's own wording; it says again what was released to it. Repeatable. Needs template:override there.",
    )
    async def template_override_remove(
        self,
        info: Info,
        input: Annotated[TemplateOverrideRemoveInput, strawberry.argument(description="Which wording.")],
    ) -> TemplateOverridePayload | None:
        """Remove an override."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            unit_id = uid(Kind.UNIT, input.unit_id, "unitId")
            return _place(
                await service.remove_override(uow, unit_id, uid(Kind.TEMPLATE, input.template_id, "templateId"))
            )

        return await _in_force(info, await perform(info, input, effect))

    @mutation(
        Permission.TEMPLATE_WRITE,
        TemplatePayload,
        "Take a template out of use everywhere; its versions stay. Repeatable. Needs template:write on its unit.",
    )
    async def template_archive(
        self, info: Info, input: Annotated[TemplateArchiveInput, strawberry.argument(description="Which template.")]
    ) -> TemplatePayload | None:
        """Archive a template."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.archive(uow, uid(Kind.TEMPLATE, input.template_id, "templateId"))
            return {"template": gid(Kind.TEMPLATE, row.id)}

        done = await perform(info, input, effect)
        return TemplatePayload(template=await found(info.context, done["template"], Template))


def _place(row: service.EffectiveTemplate) -> Mapping[str, object]:
    return {"unit": gid(Kind.UNIT, row.unit_id), "template": gid(Kind.TEMPLATE, row.template_id)}


async def _released(info: Info, done: Mapping[str, object]) -> TemplateReleasePayload:
    return TemplateReleasePayload(release=await found(info.context, done["release"], TemplateRelease))


async def _in_force(info: Info, done: Mapping[str, object]) -> TemplateOverridePayload:
    place = (uid(Kind.UNIT, str(done["unit"])), uid(Kind.TEMPLATE, str(done["template"])))
    words = await info.context.loaders.effective_templates.load(place)
    return TemplateOverridePayload(effective_template=EffectiveTemplate.of(words))
