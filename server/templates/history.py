"""The history of templates, for many of them at once: their versions and their releases, newest first.

One statement says which of the templates the scope sees, and one reads the lists of all that are asked with the same
arguments. Reading the list of a single template is the same with one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

from server.kit.errors import DomainError, NotFound
from server.kit.nested import Listing, Nested, the
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.templates.models import TemplateReleaseRow, TemplateVersionRow
from server.templates.repository import releases, texts
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

_VERSIONS: Nested[TemplateVersionRow] = Nested(
    keyset=lambda template_id: Keyset(
        (SortKey(TemplateVersionRow.number, int, descending=True),), ["versions", template_id]
    ),
    values=lambda row: (row.number,),
)
_RELEASES: Nested[TemplateReleaseRow] = Nested(
    keyset=lambda template_id: Keyset(
        (SortKey(TemplateReleaseRow.id, UUID, descending=True),), ["releases", template_id]
    ),
    values=lambda row: (row.id,),
)


async def versions_of(
    uow: UnitOfWork, wanted: Sequence[Listing]
) -> Mapping[Listing, Page[TemplateVersionRow] | DomainError]:
    """List the versions of templates that the scope sees, newest first; NotFound for a template that it does not see."""
    fetch = partial(texts.versions_of, uow.session, uow.scope)
    return await _VERSIONS.pages(wanted, fetch, await _unseen(uow, wanted))


async def list_versions(uow: UnitOfWork, template_id: UUID, arguments: PageArguments) -> Page[TemplateVersionRow]:
    """List the versions of a template that the scope sees, newest first."""
    listing = (template_id, arguments)
    return the(await versions_of(uow, [listing]), listing)


async def releases_of(
    uow: UnitOfWork, wanted: Sequence[Listing]
) -> Mapping[Listing, Page[TemplateReleaseRow] | DomainError]:
    """List the releases of templates to units that the scope reaches, newest first; NotFound for a template out of sight."""
    fetch = partial(releases.releases_of, uow.session, uow.scope)
    return await _RELEASES.pages(wanted, fetch, await _unseen(uow, wanted))


async def list_releases(uow: UnitOfWork, template_id: UUID, arguments: PageArguments) -> Page[TemplateReleaseRow]:
    """List the releases of a template to units that the scope reaches, newest first."""
    listing = (template_id, arguments)
    return the(await releases_of(uow, [listing]), listing)


async def _unseen(uow: UnitOfWork, wanted: Sequence[Listing]) -> Mapping[UUID, DomainError]:
    """Return those of the templates that the scope does not see. Raises PermissionDenied without template:read."""
    uow.scope.require_anywhere(Permission.TEMPLATE_READ)
    seen = {row.id for row in await texts.templates_by_id(uow.session, uow.scope, [parent for parent, _ in wanted])}
    return {parent: NotFound() for parent, _ in wanted if parent not in seen}
