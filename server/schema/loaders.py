"""Loaders: related objects by id, many at once, each batch in a short READ ONLY session of its own.

They serve what a page's own look-ahead did not fetch; list_loaders.py has those of lists. All of them are made anew for
each request, so nothing that was seen under one scope is ever served under another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from uuid import UUID

from strawberry.dataloader import DataLoader

from server.approvals import service as approvals
from server.approvals.models import ApprovalDecisionRow, ApprovalRequestRow
from server.audit import service as audit
from server.audit.models import AuditEventRow, LegalAccessRow, LegalHoldRow
from server.auth import service as auth
from server.auth.models import AccessTokenRow
from server.auth.oauth_models import OAuthAppRow, OAuthGrantRow
from server.auth.service import CredentialView, InvitationView, oauth
from server.campaigns import service as campaigns
from server.campaigns.models import CampaignRow
from server.campaigns.service import Preview
from server.channels import service as channels
from server.channels.models import ConnectionRow, PageRow, PageSyncRow
from server.channels.service import reading as channel_reading
from server.comments import service as comments
from server.comments.models import CommentReplyRow, PublicCommentRow
from server.consent import batches as consent_batches
from server.consent import service as consent
from server.consent.models import ConsentRow, SuppressionRow, TopicRow, WindowRow
from server.contacts import service as contacts
from server.contacts.models import ContactIdentityRow, ContactRow, LabelRow
from server.documents import service as documents
from server.documents.models import KnownDocumentRow
from server.documents.service import Use
from server.inbox import service as inbox
from server.inbox.models import MessageMediaRow, MessageRow, NoteRow, ParticipantRow
from server.inbox.service import by_id as inbox_by_id
from server.inbox.service import media as inbox_media
from server.inbox.service import waiting
from server.inbox.service.waiting import AnswerDue
from server.inbox.views import ConversationView, Parts
from server.kit import dead_letters
from server.kit.jobs import DeadLetterRow
from server.privacy import service as privacy
from server.privacy.models import OffboardingRow, OffboardingStepRow
from server.schema.errors import TooComplex
from server.schema.list_loaders import ListLoaders
from server.schema.loading import SharedLoader
from server.sends import service as sends
from server.sends.models import SendIntentRow
from server.sends.reading import sends_shown
from server.templates import service as templates
from server.templates.models import ReplyTemplateRow, TemplateReleaseRow, TemplateVersionRow
from server.tenants import service as tenants
from server.tenants.conflict_models import ConflictExceptionRow, UnitConflictRow
from server.tenants.models import (
    CustomRoleRow,
    LocationGroupRow,
    MemberRow,
    MembershipRow,
    OperationRow,
    OrganizationRow,
    StoredFileRow,
    UnitRow,
)
from server.tenants.settings import Effective, SettingName
from server.tenants.uow import UnitOfWork

MAX_PREVIEWS = 3


async def _conversations(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, ConversationView]:
    return await inbox.conversations_by_id(uow, ids, Parts.every())


async def _dead_letters(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[DeadLetterRow]:
    return await dead_letters.by_id(uow.session, uow.scope.organization_id, ids)


class Loaders(ListLoaders):
    """The loaders of one request."""

    @cached_property
    def organizations(self) -> DataLoader[UUID, OrganizationRow | None]:
        """The acting organization, by its id; there is never another."""
        return self.by_id(tenants.organizations_by_id)

    @cached_property
    def units(self) -> DataLoader[UUID, UnitRow | None]:
        """Units."""
        return self.by_id(tenants.units_by_id)

    @cached_property
    def lines_above(self) -> DataLoader[UUID, list[UnitRow] | None]:
        """The units above each unit, the root first."""
        return self.by_id(tenants.lines_above)

    @cached_property
    def children_counts(self) -> DataLoader[UUID, int | None]:
        """How many units in reach stand right under each unit."""
        return self.by_id(tenants.count_children)

    @cached_property
    def settings_of_units(self) -> DataLoader[UUID, Mapping[SettingName, Effective] | None]:
        """What counts at each unit, of every setting."""
        return self.by_id(tenants.effective_many)

    @cached_property
    def answers_due(self) -> DataLoader[UUID, AnswerDue | None]:
        """When each conversation that waits for an answer should get it."""
        return self.by_id(waiting.answers_due)

    @cached_property
    def participants(self) -> DataLoader[UUID, Sequence[ParticipantRow] | None]:
        """The people of each group that is a conversation."""
        return self.by_id(inbox.participants)

    @cached_property
    def groups(self) -> DataLoader[UUID, LocationGroupRow | None]:
        """Groups of units."""
        return self.by_id(tenants.groups_by_id)

    @cached_property
    def member_counts(self) -> DataLoader[UUID, int | None]:
        """How many units are in each group."""
        return self.by_id(tenants.count_members)

    @cached_property
    def members(self) -> DataLoader[UUID, MemberRow | None]:
        """Members."""
        return self.by_id(tenants.members_by_id)

    @cached_property
    def operations(self) -> DataLoader[UUID, OperationRow | None]:
        """Long work that the caller may watch."""
        return self.by_id(tenants.operations_by_id)

    @cached_property
    def dead_letters(self) -> DataLoader[UUID, DeadLetterRow | None]:
        """Dead letters of the organization; the finder asks whether the caller may read them."""
        return self.by_id(_dead_letters)

    @cached_property
    def offboardings(self) -> DataLoader[UUID, OffboardingRow | None]:
        """Off-boardings that the caller may see."""
        return self.by_id(privacy.offboardings_by_id)

    @cached_property
    def offboarding_steps(self) -> DataLoader[UUID, list[OffboardingStepRow] | None]:
        """The steps of each off-boarding."""
        return self.by_id(privacy.steps_of)

    @cached_property
    def files(self) -> DataLoader[UUID, StoredFileRow | None]:
        """Files at units that the caller reaches."""
        return self.by_id(tenants.files_by_id)

    @cached_property
    def pages(self) -> DataLoader[UUID, PageRow | None]:
        """Pages."""
        return self.by_id(channels.pages_by_id)

    @cached_property
    def connections(self) -> DataLoader[UUID, ConnectionRow | None]:
        """Dialogues that the caller began."""
        return self.by_id(channel_reading.connections_by_id)

    @cached_property
    def page_syncs(self) -> DataLoader[UUID, PageSyncRow | None]:
        """How far each page is compared with its platform."""
        return self.by_id(channels.syncs_of)

    @cached_property
    def contacts(self) -> DataLoader[UUID, ContactRow | None]:
        """Contacts."""
        return self.by_id(contacts.contacts_by_id)

    @cached_property
    def labels_of_contacts(self) -> DataLoader[UUID, list[LabelRow] | None]:
        """The labels of each contact."""
        return self.by_id(contacts.labels_of_contacts)

    @cached_property
    def topics(self) -> DataLoader[UUID, TopicRow | None]:
        """Topics."""
        return self.by_id(consent.topics_by_id)

    @cached_property
    def template_versions(self) -> DataLoader[UUID, TemplateVersionRow | None]:
        """Template versions."""
        return self.by_id(templates.versions_by_id)

    @cached_property
    def labels(self) -> DataLoader[UUID, LabelRow | None]:
        """Labels."""
        return self.by_id(contacts.labels_by_id)

    @cached_property
    def identities(self) -> DataLoader[UUID, list[ContactIdentityRow] | None]:
        """How pages' platforms name each contact."""
        return self.by_id(contacts.identities_of)

    @cached_property
    def consents(self) -> DataLoader[UUID, list[ConsentRow] | None]:
        """The last words of each contact."""
        return self.by_id(consent_batches.consents_of_contacts)

    @cached_property
    def suppressions(self) -> DataLoader[UUID, SuppressionRow | None]:
        """The suppression of each contact."""
        return self.by_id(consent.suppressions)

    @cached_property
    def windows(self) -> DataLoader[tuple[UUID, UUID], WindowRow | None]:
        """The messaging window of each pair of page and contact."""

        async def load(keys: list[tuple[UUID, UUID]]) -> list[WindowRow | None]:
            async with self._read() as uow:
                found = await consent_batches.windows_of(uow, keys)
            return [found.get(key) for key in keys]

        return SharedLoader(load_fn=load)

    @cached_property
    def conversations(self) -> DataLoader[UUID, ConversationView | None]:
        """Conversations that the caller may read, with all their parts."""
        return self.by_id(_conversations)

    @cached_property
    def messages(self) -> DataLoader[UUID, MessageRow | None]:
        """Messages that the caller may read."""
        return self.by_id(inbox_by_id.messages_by_id)

    @cached_property
    def notes(self) -> DataLoader[UUID, NoteRow | None]:
        """Notes that the caller may read."""
        return self.by_id(inbox_by_id.notes_by_id)

    @cached_property
    def sends(self) -> DataLoader[UUID, SendIntentRow | None]:
        """Sends that the caller may settle."""
        return self.by_id(sends.sends_by_id)

    @cached_property
    def copies_of_messages(self) -> DataLoader[UUID, list[MessageMediaRow] | None]:
        """Our copies of each message's attachments."""
        return self.by_id(inbox_media.copies_of)

    @cached_property
    def public_comments(self) -> DataLoader[UUID, PublicCommentRow | None]:
        """Public texts that the caller may read."""
        return self.by_id(comments.comments_by_id)

    @cached_property
    def replies_of_comments(self) -> DataLoader[UUID, list[CommentReplyRow] | None]:
        """Our replies to each public text."""
        return self.by_id(comments.replies_of)

    @cached_property
    def sends_of_comments(self) -> DataLoader[UUID, SendIntentRow | None]:
        """The sends that carry out replies to public texts."""
        return self.by_id(sends_shown)

    @cached_property
    def template_releases(self) -> DataLoader[UUID, TemplateReleaseRow | None]:
        """Releases of templates to units that the caller reaches."""
        return self.by_id(templates.releases_by_id)

    @cached_property
    def templates(self) -> DataLoader[UUID, ReplyTemplateRow | None]:
        """Templates."""
        return self.by_id(templates.templates_by_id)

    @cached_property
    def audit_events(self) -> DataLoader[UUID, AuditEventRow | None]:
        """Acts of the trail."""
        return self.by_id(audit.events_by_id)

    @cached_property
    def legal_accesses(self) -> DataLoader[UUID, LegalAccessRow | None]:
        """Legal accesses that the caller may list."""
        return self.by_id(audit.accesses_by_id)

    @cached_property
    def legal_holds(self) -> DataLoader[UUID, LegalHoldRow | None]:
        """Legal holds that the caller may list."""
        return self.by_id(audit.holds_by_id)

    @cached_property
    def tokens(self) -> DataLoader[UUID, AccessTokenRow | None]:
        """Access tokens."""
        return self.by_id(auth.tokens_by_id)

    @cached_property
    def credentials(self) -> DataLoader[UUID, CredentialView | None]:
        """Tokens, apps and grants by the id of either."""
        return self.by_id(auth.credentials_by_id)

    @cached_property
    def dependents(self) -> DataLoader[UUID, Sequence[CredentialView] | None]:
        """What hangs on each token, app or grant."""
        return self.by_id(auth.dependents_of)

    @cached_property
    def apps(self) -> DataLoader[UUID, OAuthAppRow | None]:
        """Registered apps."""
        return self.by_id(oauth.apps_by_id)

    @cached_property
    def app_grants(self) -> DataLoader[UUID, OAuthGrantRow | None]:
        """What people granted to apps."""
        return self.by_id(oauth.app_grants_by_id)

    @cached_property
    def campaigns(self) -> DataLoader[UUID, CampaignRow | None]:
        """Campaigns."""
        return self.by_id(campaigns.campaigns_by_id)

    @cached_property
    def pages_of_campaigns(self) -> DataLoader[UUID, list[UUID] | None]:
        """The ids of the sender pages of each campaign."""
        return self.by_id(campaigns.pages_of)

    @cached_property
    def previews(self) -> DataLoader[UUID, Preview]:
        """Dry runs of campaigns. Each reads a whole segment, so a request may have few."""

        async def load(keys: list[UUID]) -> list[Preview]:
            if len(keys) > MAX_PREVIEWS:
                raise TooComplex(f"The document has previews {len(keys)}; the limit is {MAX_PREVIEWS}. Ask for less.")
            async with self._read() as uow:
                return [await campaigns.preview(uow, key) for key in keys]

        return SharedLoader(load_fn=load)

    @cached_property
    def approval_requests(self) -> DataLoader[UUID, ApprovalRequestRow | None]:
        """Approval requests that the caller may read."""
        return self.by_id(approvals.requests_by_id)

    @cached_property
    def approvals_of_subjects(self) -> DataLoader[UUID, ApprovalRequestRow | None]:
        """The newest approval request about each subject."""
        return self.by_id(approvals.current_by_subject)

    @cached_property
    def decisions(self) -> DataLoader[UUID, Sequence[ApprovalDecisionRow] | None]:
        """The verdicts on each approval request."""
        return self.by_id(approvals.decisions_of)

    @cached_property
    def memberships_of(self) -> DataLoader[UUID, list[MembershipRow] | None]:
        """The roles of each member that the caller sees."""
        return self.by_id(tenants.memberships_of)

    @cached_property
    def memberships(self) -> DataLoader[UUID, MembershipRow | None]:
        """Roles of members."""
        return self.by_id(tenants.memberships_by_id)

    @cached_property
    def custom_roles(self) -> DataLoader[UUID, CustomRoleRow | None]:
        """Roles that the organization made for itself."""
        return self.by_id(auth.roles_by_id)

    @cached_property
    def invitations(self) -> DataLoader[UUID, InvitationView | None]:
        """Invitations that the caller manages."""
        return self.by_id(auth.invitations_by_id)

    @cached_property
    def conflicts(self) -> DataLoader[UUID, UnitConflictRow | None]:
        """Walls between units."""
        return self.by_id(auth.conflicts_by_id)

    @cached_property
    def conflict_exceptions(self) -> DataLoader[UUID, ConflictExceptionRow | None]:
        """Exceptions to walls."""
        return self.by_id(auth.exceptions_by_id)

    @cached_property
    def granters_of(self) -> DataLoader[UUID, list[UUID] | None]:
        """Who agreed to each exception."""
        return self.by_id(auth.granters_of)

    @cached_property
    def documents(self) -> DataLoader[UUID, KnownDocumentRow | None]:
        """Registered documents that the caller may manage."""
        return self.by_id(documents.documents_by_id)

    @cached_property
    def uses_of_documents(self) -> DataLoader[UUID, list[Use] | None]:
        """How often the text of each registered document was asked for."""
        return self.by_id(documents.uses_of)
