"""Use cases of channels, as `from server.channels import service as channels`; one module per part of the story."""

from __future__ import annotations

from server.channels.rules import callback_uri
from server.channels.service.connect import CallbackResult, begin_connection, complete_callback
from server.channels.service.events import mark_dead, mark_handled, next_events
from server.channels.service.finish import OfferedPage, PageResult, disconnect_page, finish_connection, found_pages
from server.channels.service.ingest import Ingested, record_events
from server.channels.service.leaving import (
    DepartingAccount,
    DepartingPage,
    departing_accounts,
    departing_pages,
    forget_strays,
    freeze_pages,
    hand_over,
    is_granted_elsewhere,
    wipe_account,
    wipe_page,
)
from server.channels.service.pages import (
    PageRef,
    credentials,
    lift_restriction,
    list_pages,
    mark_subscribed,
    mark_unhealthy,
    page_ref,
    pages_by_id,
    pause_page,
)

__all__ = [
    "CallbackResult",
    "DepartingAccount",
    "DepartingPage",
    "Ingested",
    "OfferedPage",
    "PageRef",
    "PageResult",
    "begin_connection",
    "callback_uri",
    "complete_callback",
    "credentials",
    "departing_accounts",
    "departing_pages",
    "disconnect_page",
    "finish_connection",
    "forget_strays",
    "found_pages",
    "freeze_pages",
    "hand_over",
    "is_granted_elsewhere",
    "lift_restriction",
    "list_pages",
    "mark_dead",
    "mark_handled",
    "mark_subscribed",
    "mark_unhealthy",
    "next_events",
    "page_ref",
    "pages_by_id",
    "pause_page",
    "record_events",
    "wipe_account",
    "wipe_page",
]
