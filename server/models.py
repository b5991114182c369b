"""Every slice's tables, imported once, so that Alembic and the catalogue test see one metadata."""

from server.approvals import models as approvals
from server.audit import models as audit
from server.auth import factor_models as factors
from server.auth import models as auth
from server.auth import oauth_models as oauth
from server.campaigns import models as campaigns
from server.channels import models as channels
from server.comments import models as comments
from server.consent import models as consent
from server.contacts import models as contacts
from server.documents import models as documents
from server.inbox import models as inbox
from server.kit import jobs, ratelimit
from server.kit.db import Base
from server.metering import models as metering
from server.privacy import models as privacy
from server.sends import models as sends
from server.startup import models as startup
from server.templates import models as templates
from server.tenants import conflict_models as conflicts
from server.tenants import departure_models as departures
from server.tenants import models as tenants
from server.tenants import setting_models as settings

SLICES = (
    tenants,
    conflicts,
    auth,
    oauth,
    factors,
    audit,
    channels,
    contacts,
    consent,
    metering,
    sends,
    approvals,
    templates,
    inbox,
    comments,
    campaigns,
    privacy,
    departures,
    settings,
    documents,
    startup,
)
metadata = Base.metadata

__all__ = [
    "SLICES",
    "jobs",
    "metadata",
    "ratelimit",
]
