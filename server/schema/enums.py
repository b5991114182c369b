"""The enums of the slices, as GraphQL shows them. Values are the slices' own; only descriptions are added here."""

from __future__ import annotations

import strawberry

from server.approvals.models import ApprovalState, Verdict
from server.auth.models import TokenKind
from server.campaigns.models import CampaignState
from server.channels.models import ConnectionState, Health
from server.consent.models import SuppressionReason
from server.inbox.models import Category, ConversationStatus, Direction, Folder, MessageState
from server.kit.jobs import DeadLetterSource
from server.platforms.port import Channel
from server.sends.models import Purpose, SendState
from server.templates.models import ReleaseState, TemplatePurpose
from server.templates.rules import Drift
from server.tenants.rules import OrganizationKind, Permission, Role, UnitKind

strawberry.enum(OrganizationKind, description="What an organization is.")
strawberry.enum(UnitKind, description="What a unit stands for.")
strawberry.enum(Permission, description="One thing that may be done on a unit and everything under it.")
strawberry.enum(Role, description="A built-in bundle of permissions.")
strawberry.enum(TemplatePurpose, description="What a template may be used for: replies of people, or campaigns.")
strawberry.enum(ReleaseState, name="TemplateReleaseState", description="Where the release of a template stands.")
strawberry.enum(Drift, name="TemplateDrift", description="How the text of a unit stands to what was released to it.")
strawberry.enum(CampaignState, description="Where a campaign stands.")
strawberry.enum(ApprovalState, description="Where an approval request stands. VOIDED: the content changed after it.")
strawberry.enum(Verdict, name="ApprovalVerdict", description="What one approver says.")
strawberry.enum(TokenKind, description="PERSONAL acts as a member; SERVICE acts as an app on one unit.")

strawberry.enum(Channel, description="The networks a page can live on.")
strawberry.enum(
    Health, name="PageHealth", description="Whether we may still act for a page, and if not, what a person has to do."
)
strawberry.enum(ConnectionState, name="ChannelConnectionState", description="Where a consent dialogue stands.")
strawberry.enum(SuppressionReason, description="Why nothing may be sent to a person.")
strawberry.enum(ConversationStatus, description="Where our work on a conversation stands.")
strawberry.enum(Folder, name="ConversationFolder", description="Where the platform put a conversation.")
strawberry.enum(
    Category,
    name="ConversationCategory",
    description="What a conversation is about; needed before it can be resolved.",
)
strawberry.enum(Direction, name="MessageDirection", description="Who wrote a message: the contact, or the page.")
strawberry.enum(
    MessageState,
    description="What is known of a message: RECEIVED is inbound, the others say no more than the platform said.",
)
strawberry.enum(SendState, description="Where an outgoing message stands on our side.")
strawberry.enum(Purpose, name="SendPurpose", description="Why a message is sent.")
strawberry.enum(DeadLetterSource, description="What a dead letter was before.")

__all__ = [
    "ApprovalState",
    "CampaignState",
    "Category",
    "Channel",
    "ConnectionState",
    "ConversationStatus",
    "DeadLetterSource",
    "Direction",
    "Drift",
    "Folder",
    "Health",
    "MessageState",
    "OrganizationKind",
    "Permission",
    "Purpose",
    "ReleaseState",
    "Role",
    "SendState",
    "SuppressionReason",
    "TemplatePurpose",
    "TokenKind",
    "UnitKind",
    "Verdict",
]
