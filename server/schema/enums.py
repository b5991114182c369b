"""The enums of the slices, as GraphQL shows them. Values are the slices' own; only descriptions are added here."""

from __future__ import annotations

import strawberry

from server.approvals.models import ApprovalState, Verdict
from server.audit.rules import LegalAccessState, LegalBasis
from server.auth.oauth_rules import AppGrantType, AppKind
from server.auth.rules import CredentialForm, CredentialState, SignInMethod
from server.auth.service import Fate as CredentialFate
from server.auth.service import InvitationState
from server.campaigns.models import CampaignState
from server.channels.choices import ListFormat
from server.channels.models import ConnectionState, Health
from server.comments.models import PublicKind, Visibility
from server.consent.models import SuppressionReason
from server.documents.rules import OperationType as DocumentOperationType
from server.inbox.models import (
    Category,
    ConversationKind,
    ConversationStatus,
    Direction,
    Folder,
    MessageState,
    UnsendState,
)
from server.kit.jobs import DeadLetterSource
from server.platforms.capabilities.capability import Receipt, Relationship, Starter, TextUnit, Unsend
from server.platforms.port import Act, Channel, Login, MediaKind, QuotaScope, SignalKind
from server.privacy.rules import OffboardingState, StepName, StepState
from server.privacy.rules import Policy as OffboardingPolicy
from server.sends.models import Purpose, SendState
from server.templates.models import ReleaseState, TemplatePurpose
from server.templates.rules import Drift
from server.tenants.hours import Weekday
from server.tenants.rules import OperationKind, OperationState, OrganizationKind, Permission, Role, UnitKind
from server.tenants.scope import CredentialKind
from server.tenants.settings import SettingName
from server.tenants.sheets import SheetFormat

strawberry.enum(OrganizationKind, description="What an organization is.")
strawberry.enum(UnitKind, description="What a unit stands for.")
strawberry.enum(SheetFormat, name="UnitImportFormat", description="How the file of an import is written.")
strawberry.enum(
    SettingName, name="UnitSettingName", description="What can be set on a unit and holds for everything under it."
)
strawberry.enum(Weekday, description="A day of the week.")
strawberry.enum(Permission, description="One thing that may be done on a unit and everything under it.")
strawberry.enum(OperationKind, description="What long work is about.")
strawberry.enum(OperationState, description="Where long work stands; SUCCEEDED and FAILED are final.")
strawberry.enum(Role, description="A built-in bundle of permissions.")
strawberry.enum(TemplatePurpose, description="What a template may be used for: replies of people, or campaigns.")
strawberry.enum(ReleaseState, name="TemplateReleaseState", description="Where the release of a template stands.")
strawberry.enum(Drift, name="TemplateDrift", description="How the text of a unit stands to what was released to it.")
strawberry.enum(CampaignState, description="Where a campaign stands.")
strawberry.enum(ApprovalState, description="Where an approval request stands. VOIDED: the content changed after it.")
strawberry.enum(Verdict, name="ApprovalVerdict", description="What one approver says.")
strawberry.enum(CredentialForm, name="CredentialKind", description="What stands in the list of credentials.")
strawberry.enum(
    CredentialState,
    description="Whether a credential is of use. PARENT_ENDED: what it hangs on has ended, expired, or left with its person.",
)
strawberry.enum(
    CredentialFate,
    name="CredentialFate",
    description="What becomes of credentials when that on which they hang ends: END them too, or HAND_OVER to a person.",
)
strawberry.enum(
    CredentialKind,
    name="TokenKind",
    description="PERSONAL, SESSION and OAUTH act as a member, SERVICE and an app's own OAUTH token as an app on its units.",
)
strawberry.enum(InvitationState, description="Where an invitation stands; all but OPEN are final.")

strawberry.enum(
    AppKind, description="PUBLIC runs on people's machines and proves itself with PKCE; CONFIDENTIAL keeps a secret."
)
strawberry.enum(
    AppGrantType,
    description="AUTHORIZATION_CODE and DEVICE_CODE ask a person, REFRESH_TOKEN prolongs it, CLIENT_CREDENTIALS acts as itself.",
)
strawberry.enum(SignInMethod, description="How a person proved who they are.")
strawberry.enum(Channel, description="The networks a page can live on.")
strawberry.enum(Act, name="ChannelAct", description="What an allowance counts.")
strawberry.enum(QuotaScope, name="ChannelQuotaScope", description="Whose allowance it is.")
strawberry.enum(MediaKind, description="What a piece of media is.")
strawberry.enum(Starter, name="ConversationStarter", description="Who may open a conversation.")
strawberry.enum(Relationship, name="ChannelRelationship", description="What must be between a page and a person.")
strawberry.enum(TextUnit, description="What a limit of texts counts.")
strawberry.enum(Receipt, name="ReceiptKind", description="What a network reports after a message left.")
strawberry.enum(Unsend, name="UnsendEffect", description="What deleting a message does on the network.")
strawberry.enum(
    Health, name="PageHealth", description="Whether we may still act for a page, and if not, what a person has to do."
)
strawberry.enum(
    Login,
    name="ChannelLogin",
    description="Through which dialogue a person consents: the network's own, or Facebook's.",
)
strawberry.enum(ListFormat, name="ChannelConnectFormat", description="How the file of a bulk connect is written.")
strawberry.enum(ConnectionState, name="ChannelConnectionState", description="Where a consent dialogue stands.")
strawberry.enum(SuppressionReason, description="Why nothing may be sent to a person.")
strawberry.enum(ConversationKind, description="Between whom a conversation is.")
strawberry.enum(ConversationStatus, description="Where our work on a conversation stands.")
strawberry.enum(Folder, name="ConversationFolder", description="Where the platform put a conversation.")
strawberry.enum(
    Category,
    name="ConversationCategory",
    description="What a conversation is about; needed before it can be resolved.",
)
strawberry.enum(PublicKind, name="PublicCommentKind", description="How a public text concerns a page.")
strawberry.enum(
    Visibility,
    name="PublicCommentVisibility",
    description="Whether the public sees a text, as far as the network told us.",
)
strawberry.enum(Direction, name="MessageDirection", description="Who wrote a message: the contact, or the page.")
strawberry.enum(
    MessageState,
    description="What is known of a message: RECEIVED is inbound, the others say no more than the platform said.",
)
strawberry.enum(SendState, description="Where an outgoing message stands on our side.")
strawberry.enum(Purpose, name="SendPurpose", description="Why a message is sent.")
strawberry.enum(LegalBasis, description="Why the law lets, or makes, somebody look at or keep what people wrote.")
strawberry.enum(
    LegalAccessState,
    description="Where a legal access stands. A GRANTED one is over when its time is, without a change.",
)
strawberry.enum(DeadLetterSource, description="What a dead letter was before.")
strawberry.enum(
    OffboardingPolicy, name="OffboardingPolicy", description="What becomes of the data of a client that leaves."
)
strawberry.enum(
    OffboardingState,
    description="Where an off-boarding stands. ON_HOLD: a legal hold keeps the data; RETAINED: it waits for its date.",
)
strawberry.enum(StepName, name="OffboardingStepName", description="The steps, in their order.")
strawberry.enum(StepState, name="OffboardingStepState", description="Where a step stands.")

strawberry.enum(
    Unsend,
    description="What taking a message back does on the platform: the contact keeps it, it is gone for all, or nothing.",
)
strawberry.enum(UnsendState, description="Where the wish to take a message back stands; DONE and FAILED are final.")
strawberry.enum(SignalKind, description="What a page shows a contact without writing.")
strawberry.enum(
    DocumentOperationType, name="DocumentOperationType", description="What the operation of a document does."
)

__all__ = [
    "Act",
    "AppGrantType",
    "AppKind",
    "ApprovalState",
    "CampaignState",
    "Category",
    "Channel",
    "ConnectionState",
    "ConversationKind",
    "ConversationStatus",
    "CredentialFate",
    "CredentialForm",
    "CredentialKind",
    "CredentialState",
    "DeadLetterSource",
    "Direction",
    "DocumentOperationType",
    "Drift",
    "Folder",
    "Health",
    "InvitationState",
    "LegalAccessState",
    "LegalBasis",
    "ListFormat",
    "Login",
    "MediaKind",
    "MessageState",
    "OffboardingPolicy",
    "OffboardingState",
    "OperationKind",
    "OperationState",
    "OrganizationKind",
    "Permission",
    "PublicKind",
    "Purpose",
    "QuotaScope",
    "Receipt",
    "Relationship",
    "ReleaseState",
    "Role",
    "SendState",
    "SettingName",
    "SheetFormat",
    "SignInMethod",
    "SignalKind",
    "Starter",
    "StepName",
    "StepState",
    "SuppressionReason",
    "TemplatePurpose",
    "TextUnit",
    "UnitKind",
    "Unsend",
    "UnsendState",
    "Verdict",
    "Visibility",
    "Weekday",
]
