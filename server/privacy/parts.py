"""Every table that there is, and how its rows leave. A test fails for a table that stands here not at all or twice."""

from __future__ import annotations

from server.approvals.leaving import LEAVING as APPROVALS
from server.audit.leaving import LEAVING as AUDIT
from server.auth.leaving import LEAVING as AUTH
from server.campaigns.leaving import LEAVING as CAMPAIGNS
from server.channels.leaving import LEAVING as CHANNELS
from server.comments.leaving import LEAVING as COMMENTS
from server.consent.leaving import LEAVING as CONSENT
from server.contacts.leaving import LEAVING as CONTACTS
from server.documents.leaving import LEAVING as DOCUMENTS
from server.inbox.leaving import LEAVING as INBOX
from server.kit.db import Base
from server.kit.jobs import DeadLetterRow, JobRow
from server.metering.leaving import LEAVING as METERING
from server.privacy.models import OffboardingRow, OffboardingStepRow, PlatformRevocationRow
from server.sends.leaving import LEAVING as SENDS
from server.templates.leaving import LEAVING as TEMPLATES
from server.tenants.departures import LEAVING as TENANTS
from server.tenants.leaving import How, Leaving, of_units

_TRACES = "server.privacy.service.traces, by the ids that it names"
OWN = (
    Leaving(PlatformRevocationRow, How.ROWS, of_units(PlatformRevocationRow.unit_id)),
    Leaving(OffboardingStepRow, How.ROWS, of_units(OffboardingStepRow.unit_id)),
    Leaving(OffboardingRow, How.ROWS, of_units(OffboardingRow.unit_id)),
    Leaving(JobRow, How.APART, note=_TRACES),
    Leaving(DeadLetterRow, How.APART, note=_TRACES),
)
PARTS: tuple[Leaving, ...] = (
    *OWN,
    *CAMPAIGNS,
    *INBOX,
    *COMMENTS,
    *TEMPLATES,
    *APPROVALS,
    *SENDS,
    *CONSENT,
    *METERING,
    *CONTACTS,
    *CHANNELS,
    *AUTH,
    *DOCUMENTS,
    *AUDIT,
    *TENANTS,
)

_PLACE = {table.name: place for place, table in enumerate(Base.metadata.sorted_tables)}
EXPORTED = tuple(sorted((one for one in PARTS if one.of_units is not None), key=lambda one: _PLACE[one.name]))
"""Parents before children, so that whoever imports the lines finds what they refer to."""
ERASED = tuple(
    sorted(
        (one for one in PARTS if one.how in {How.ROWS, How.STAFF}),
        key=lambda one: (not one.is_first, -_PLACE[one.name]),
    )
)
"""Children before parents."""
TREE = tuple(sorted((one for one in PARTS if one.how is How.TREE), key=lambda one: -_PLACE[one.name]))
OF_CONTACT = tuple(one for one in ERASED if one.of_contact is not None)
"""What holds something of a single contact, children before parents."""
