"""Loaders of lists inside lists: a page of what hangs on each of many parents, and what is summed up of each.

A key is a parent with the page that is wanted; all keys of a batch with the same arguments are read with one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from uuid import UUID

from strawberry.dataloader import DataLoader

from server.campaigns import service as campaigns
from server.campaigns.service import CampaignResults
from server.inbox import service as inbox
from server.inbox.models import AssignmentRow, MessageRow, NoteRow
from server.kit.nested import Listing
from server.kit.pagination import Page
from server.schema.loading import Loading
from server.templates import history
from server.templates import service as templates
from server.templates.models import TemplateReleaseRow, TemplateVersionRow
from server.templates.service import EffectiveTemplate
from server.tenants import service as tenants
from server.tenants.models import OperationProblemRow, UnitRow


class ListLoaders(Loading):
    """The loaders of lists of one request."""

    @cached_property
    def messages_of(self) -> DataLoader[Listing, Page[MessageRow]]:
        """A page of the messages of each conversation."""
        return self.by_key(inbox.messages_of)

    @cached_property
    def notes_of(self) -> DataLoader[Listing, Page[NoteRow]]:
        """A page of the internal remarks on each conversation."""
        return self.by_key(inbox.notes_of)

    @cached_property
    def assignments_of(self) -> DataLoader[UUID, Sequence[AssignmentRow]]:
        """The history of owners of each conversation."""
        return self.by_key(inbox.assignments_of)

    @cached_property
    def members_of_groups(self) -> DataLoader[Listing, Page[UnitRow]]:
        """A page of the units in each group."""
        return self.by_key(tenants.members_of_groups)

    @cached_property
    def problems_of_operations(self) -> DataLoader[Listing, Page[OperationProblemRow]]:
        """A page of what was wrong with the input of each operation."""
        return self.by_key(tenants.problems_of)

    @cached_property
    def effective_templates(self) -> DataLoader[tuple[UUID, UUID], EffectiveTemplate]:
        """What a unit (first id) says of a template (second id)."""
        return self.by_key(templates.effective_of)

    @cached_property
    def versions_of_templates(self) -> DataLoader[Listing, Page[TemplateVersionRow]]:
        """A page of the versions of each template."""
        return self.by_key(history.versions_of)

    @cached_property
    def releases_of_templates(self) -> DataLoader[Listing, Page[TemplateReleaseRow]]:
        """A page of the releases of each template."""
        return self.by_key(history.releases_of)

    @cached_property
    def results_of_campaigns(self) -> DataLoader[UUID, CampaignResults]:
        """What became of each campaign."""
        return self.by_key(campaigns.results_of)
