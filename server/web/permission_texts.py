"""What each permission lets an app do, in the words of the consent page."""

from __future__ import annotations

from collections.abc import Mapping

from server.tenants.rules import Permission

TEXTS: Mapping[Permission, str] = {
    Permission.ORGANIZATION_MANAGE: "change the organization itself",
    Permission.UNIT_MANAGE: "create, move and archive units",
    Permission.UNIT_OFFBOARD: "part with a client and hand over its data",
    Permission.SETTING_WRITE: "change settings of units",
    Permission.MEMBER_READ: "see who works here",
    Permission.MEMBER_MANAGE: "invite people and change what they may do",
    Permission.ROLE_MANAGE: "change roles",
    Permission.TOKEN_MANAGE: "see and revoke tokens of apps",
    Permission.APP_MANAGE: "see which apps people use",
    Permission.DOCUMENT_MANAGE: "register and withdraw the queries that your front ends send",
    Permission.CHANNEL_READ: "see the connected pages",
    Permission.CHANNEL_CONNECT: "connect and disconnect pages",
    Permission.CONTACT_READ: "see the people who write to you",
    Permission.CONTACT_WRITE: "rename and label the people who write to you",
    Permission.CONSENT_WRITE: "change topics and whom you may write to",
    Permission.INBOX_READ: "read conversations",
    Permission.INBOX_WORK: "assign, label and close conversations",
    Permission.INBOX_REPLY: "send replies in your name",
    Permission.TEMPLATE_READ: "read reply templates",
    Permission.TEMPLATE_WRITE: "write reply templates",
    Permission.TEMPLATE_RELEASE: "release templates to the units below",
    Permission.TEMPLATE_OVERRIDE: "replace released templates in a unit",
    Permission.CAMPAIGN_READ: "see campaigns",
    Permission.CAMPAIGN_WRITE: "prepare campaigns and submit them for approval",
    Permission.CAMPAIGN_APPROVE: "approve or reject campaigns in your name",
    Permission.CAMPAIGN_STOP: "pause and cancel campaigns",
    Permission.COST_READ: "see what messages cost",
    Permission.DEAD_LETTER_READ: "see work that was given up",
    Permission.AUDIT_READ: "read the audit trail",
    Permission.LEGAL_REQUEST: "ask for access on a legal basis",
    Permission.LEGAL_GRANT: "grant access on a legal basis",
    Permission.CONTACT_ERASE: "erase a person's data",
}
