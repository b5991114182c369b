"""Every slice's errors, imported once, so that the enum of error codes is complete before it is built."""

from __future__ import annotations

from server.approvals import errors as approvals
from server.audit import errors as audit
from server.auth import errors as auth
from server.campaigns import errors as campaigns
from server.channels import errors as channels
from server.comments import errors as comments
from server.consent import errors as consent
from server.contacts import errors as contacts
from server.documents import errors as documents
from server.inbox import errors as inbox
from server.kit import errors as kit
from server.privacy import errors as privacy
from server.sends import errors as sends
from server.templates import errors as templates
from server.tenants import errors as tenants

MODULES = (
    kit,
    tenants,
    auth,
    audit,
    channels,
    contacts,
    consent,
    sends,
    approvals,
    templates,
    inbox,
    comments,
    campaigns,
    privacy,
    documents,
)
