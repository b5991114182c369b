"""GraphQL types of shared texts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.kit.pagination import PageArguments
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, PAGED, USER_ERRORS, held
from server.schema.declarations import readable
from server.schema.enums import Drift, ReleaseState, TemplatePurpose
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.results import UserError
from server.schema.tenants.types import Member, Unit
from server.templates import service
from server.templates.models import ReplyTemplateRow, TemplateReleaseRow, TemplateVersionRow
from server.tenants.rules import Permission


@readable(Permission.TEMPLATE_READ)
@strawberry.type(
    description="A shared text of a unit. Its words are in its versions; what units say is released to them."
)
class Template(Node):
    """A template."""

    name: str = strawberry.field(description="Unique at its unit.")
    purpose: TemplatePurpose = strawberry.field(description="What it may be used for.")
    latest_version: int = strawberry.field(description="Number of the newest version; 0 when nothing was published.")
    created_at: datetime = strawberry.field(description="When it was created.")
    archived_at: datetime | None = strawberry.field(description="Since when it is out of use; null while it is in use.")
    key: strawberry.Private[UUID]
    unit_key: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: ReplyTemplateRow) -> Template:
        """Show a template."""
        return cls(
            id=gid(Kind.TEMPLATE, row.id),
            name=row.name,
            purpose=row.purpose,
            latest_version=row.latest_version,
            created_at=row.created_at,
            archived_at=row.archived_at,
            key=row.id,
            unit_key=row.unit_id,
        )

    @strawberry.field(description="The unit that owns it.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the owner."""
        return await _unit(info.context, self.unit_key)

    @strawberry.field(
        description="Its versions in reach, newest first: all for the owner, else those in force.", directives=PAGED
    )
    async def versions(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[TemplateVersion]:
        """List versions."""
        arguments = PageArguments(first, after, last, before)
        return connection(
            await info.context.loaders.versions_of_templates.load((self.key, arguments)), TemplateVersion.of
        )

    @strawberry.field(description="Its releases to units in reach, newest first.", directives=PAGED)
    async def releases(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[TemplateRelease]:
        """List releases."""
        arguments = PageArguments(first, after, last, before)
        return connection(
            await info.context.loaders.releases_of_templates.load((self.key, arguments)), TemplateRelease.of
        )


@readable(Permission.TEMPLATE_READ)
@strawberry.type(description="One wording of a template. It never changes after it was published.")
class TemplateVersion(Node):
    """A version."""

    number: int = strawberry.field(description="1, 2, 3 and so on within its template.")
    body: str = strawberry.field(description="The words, with placeholders such as {{ contact.first_name }}.")
    variables: list[str] = strawberry.field(
        description="The variables of the body, in order of appearance.", directives=held(50)
    )
    digest: str = strawberry.field(description="SHA-256 of the words and the purpose, in hexadecimal digits.")
    published_at: datetime | None = strawberry.field(description="When it was published.")
    template_key: strawberry.Private[UUID]
    author_key: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: TemplateVersionRow) -> TemplateVersion:
        """Show a version."""
        return cls(
            id=gid(Kind.TEMPLATE_VERSION, row.id),
            number=row.number,
            body=row.body,
            variables=row.variables,
            digest=bytes(row.digest).hex(),
            published_at=row.published_at,
            template_key=row.template_id,
            author_key=row.author_id,
        )

    @strawberry.field(description="The template that it is a version of.", directives=LOADED)
    async def template(self, info: Info) -> Template | None:
        """Resolve the template."""
        return await _template(info.context, self.template_key)

    @strawberry.field(description="Who published it; null when an app did.", directives=LOADED)
    async def author(self, info: Info) -> Member | None:
        """Resolve the author."""
        return await _member(info.context, self.author_key)


@readable(Permission.TEMPLATE_READ)
@strawberry.type(description="One push of a version to all locations under a unit; seen by those who reach the unit.")
class TemplateRelease(Node):
    """A release."""

    state: ReleaseState = strawberry.field(description="Where it stands.")
    total: int = strawberry.field(description="How many units it is for.")
    placed: int = strawberry.field(description="How many of them it has reached so far.")
    kept_overrides: int = strawberry.field(description="How many of the placed units keep a wording of their own.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    finished_at: datetime | None = strawberry.field(description="When it was done; null while it is being placed.")
    template_key: strawberry.Private[UUID]
    version_key: strawberry.Private[UUID]
    unit_key: strawberry.Private[UUID]
    author_key: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: TemplateReleaseRow) -> TemplateRelease:
        """Show a release."""
        return cls(
            id=gid(Kind.TEMPLATE_RELEASE, row.id),
            state=row.state,
            total=row.total,
            placed=row.placed,
            kept_overrides=row.kept_overrides,
            created_at=row.created_at,
            finished_at=row.finished_at,
            template_key=row.template_id,
            version_key=row.version_id,
            unit_key=row.unit_id,
            author_key=row.author_id,
        )

    @strawberry.field(description="The template.", directives=LOADED)
    async def template(self, info: Info) -> Template | None:
        """Resolve the template."""
        return await _template(info.context, self.template_key)

    @strawberry.field(description="The version that it puts in force.", directives=LOADED)
    async def version(self, info: Info) -> TemplateVersion | None:
        """Resolve the version."""
        return await _version(info.context, self.version_key)

    @strawberry.field(description="The unit for whose locations it is.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        return await _unit(info.context, self.unit_key)

    @strawberry.field(description="Who asked for it; null when an app did.", directives=LOADED)
    async def author(self, info: Info) -> Member | None:
        """Resolve the author."""
        return await _member(info.context, self.author_key)


@readable(Permission.TEMPLATE_READ)
@strawberry.type(
    description="A unit's own wording of a template that was released to it. Later releases do not touch it."
)
class TemplateOverride:
    """A unit's own wording."""

    body: str = strawberry.field(description="The unit's own words.")
    variables: list[str] = strawberry.field(description="The variables of these words.", directives=held(50))
    base_version_number: int = strawberry.field(description="The version that was released when it was written.")


@readable(Permission.TEMPLATE_READ)
@strawberry.type(description="What a unit says now: its own wording, or else the version that was released to it.")
class EffectiveTemplate:
    """A template as it is in force at one unit."""

    name: str = strawberry.field(description="The template's name.")
    purpose: TemplatePurpose = strawberry.field(description="What it may be used for.")
    version_number: int = strawberry.field(
        description="The version in force; of an override, the one it was made from."
    )
    released_number: int = strawberry.field(description="The version that is released here, or the owner's latest.")
    body: str = strawberry.field(description="The words that the unit says.")
    variables: list[str] = strawberry.field(description="The variables of these words.", directives=held(50))
    is_override: bool = strawberry.field(description="Whether these are the unit's own words.")
    drift: Drift = strawberry.field(description="How the unit stands to what was released to it.")
    override: TemplateOverride | None = strawberry.field(description="The unit's own wording, if it has one.")
    template_key: strawberry.Private[UUID]
    version_key: strawberry.Private[UUID]
    unit_key: strawberry.Private[UUID]

    @classmethod
    def of(cls, found: service.EffectiveTemplate) -> EffectiveTemplate:
        """Show what a unit says."""
        own = TemplateOverride(body=found.body, variables=found.variables, base_version_number=found.version_number)
        return cls(
            name=found.name,
            purpose=found.purpose,
            version_number=found.version_number,
            released_number=found.released_number,
            body=found.body,
            variables=found.variables,
            is_override=found.is_override,
            drift=found.drift,
            override=own if found.is_override else None,
            template_key=found.template_id,
            version_key=found.version_id,
            unit_key=found.unit_id,
        )

    @strawberry.field(description="The template.", directives=LOADED)
    async def template(self, info: Info) -> Template | None:
        """Resolve the template."""
        return await _template(info.context, self.template_key)

    @strawberry.field(
        description="The version in force; of an override, the one it was made from, if still in reach.",
        directives=LOADED,
    )
    async def version(self, info: Info) -> TemplateVersion | None:
        """Resolve the version."""
        return await _version(info.context, self.version_key)

    @strawberry.field(description="The unit that says it.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        return await _unit(info.context, self.unit_key)


@readable(Permission.TEMPLATE_READ)
@strawberry.type(description="A template with its values filled in, or what is missing. Nothing is stored or sent.")
class TemplatePreview:
    """A rendered text."""

    text: str | None = strawberry.field(default=None, description="The text as it would be sent; null with errors.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is no text.", directives=USER_ERRORS
    )


async def _unit(context: ApiContext, value: UUID) -> Unit | None:
    row = await context.loaders.units.load(value)
    return None if row is None else Unit.of(row)


async def _member(context: ApiContext, value: UUID) -> Member | None:
    row = await context.loaders.members.load(value)
    return None if row is None else Member.of(row)


async def _template(context: ApiContext, value: UUID) -> Template | None:
    row = await context.loaders.templates.load(value)
    return None if row is None else Template.of(row)


async def _version(context: ApiContext, value: UUID) -> TemplateVersion | None:
    row = await context.loaders.template_versions.load(value)
    return None if row is None else TemplateVersion.of(row)


async def _release(context: ApiContext, value: UUID) -> TemplateRelease | None:
    row = await context.loaders.template_releases.load(value)
    return None if row is None else TemplateRelease.of(row)


finder(Kind.TEMPLATE)(_template)
finder(Kind.TEMPLATE_VERSION)(_version)
finder(Kind.TEMPLATE_RELEASE)(_release)
