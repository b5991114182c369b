"""The vocabulary of the trail: `subject:aspect:verb`. A reader filters by prefix, so keep the grammar."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What can be recorded. Add a member where a new act needs a trace; never rename one that was written."""

    ORGANIZATION_CREATE = "organization:self:create"
    UNIT_CREATE = "unit:self:create"
    MEMBER_CREATE = "member:self:create"
    MEMBERSHIP_GRANT = "member:role:grant"
    MEMBERSHIP_REVOKE = "member:role:revoke"
    TOKEN_ISSUE = "token:self:issue"  # noqa: S105 - the name of an act
    TOKEN_REVOKE = "token:self:revoke"  # noqa: S105 - the name of an act
    CHANNEL_CONNECT_BEGIN = "channel:connection:begin"
    CHANNEL_CONNECT_REFUSE = "channel:connection:refuse"
    PAGE_CONNECT = "channel:page:connect"
    PAGE_DISCONNECT = "channel:page:disconnect"
    ACCOUNT_UNHEALTHY = "channel:account:unhealthy"
    TEMPLATE_CREATE = "template:self:create"
    TEMPLATE_ARCHIVE = "template:self:archive"
    TEMPLATE_PUBLISH = "template:version:publish"
    TEMPLATE_RELEASE = "template:release:start"
    TEMPLATE_ROLL_BACK = "template:release:roll_back"
    TEMPLATE_OVERRIDE = "template:override:set"
    TEMPLATE_OVERRIDE_REMOVE = "template:override:remove"
    CAMPAIGN_CREATE = "campaign:self:create"
    CAMPAIGN_EDIT = "campaign:self:edit"
    CAMPAIGN_SUBMIT = "campaign:approval:request"
    CAMPAIGN_APPROVE = "campaign:approval:grant"
    CAMPAIGN_REJECT = "campaign:approval:refuse"
    CAMPAIGN_VOID = "campaign:approval:void"
    CAMPAIGN_PAUSE = "campaign:run:pause"
    CAMPAIGN_RESUME = "campaign:run:resume"
    CAMPAIGN_CANCEL = "campaign:run:cancel"
    CONSENT_CHANGE = "consent:topic:change"
    SUPPRESSION_SET = "consent:suppression:set"
    SUPPRESSION_LIFT = "consent:suppression:lift"
    CONVERSATION_READ = "inbox:conversation:read"
    CONVERSATION_ASSIGN = "inbox:conversation:assign"
    MESSAGE_REPLY = "inbox:message:reply"
    SEND_SETTLE_BY_HAND = "send:unknown:settle"
