"""Use cases of the trail, as `from server.audit import service as audit`; one module per part of the story."""

from __future__ import annotations

from server.audit.service.export import Head, head, start_export, write_export
from server.audit.service.holds import Hold, hold, holds_by_id, holds_on, lift_hold, list_holds
from server.audit.service.legal import (
    AccessRequest,
    accesses_by_id,
    decide_access,
    end_access,
    list_accesses,
    own_access,
    reading_scope,
    request_access,
    use_access,
)
from server.audit.service.reads import forget_traces, is_privileged, trace_reads
from server.audit.service.trail import events_by_id, list_events, record, record_many, verify

__all__ = [
    "AccessRequest",
    "Head",
    "Hold",
    "accesses_by_id",
    "decide_access",
    "end_access",
    "events_by_id",
    "forget_traces",
    "head",
    "hold",
    "holds_by_id",
    "holds_on",
    "is_privileged",
    "lift_hold",
    "list_accesses",
    "list_events",
    "list_holds",
    "own_access",
    "reading_scope",
    "record",
    "record_many",
    "request_access",
    "start_export",
    "trace_reads",
    "use_access",
    "verify",
    "write_export",
]
