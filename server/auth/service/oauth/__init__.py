"""The authorization server for front ends of third parties, as `from server.auth.service import oauth`."""

from __future__ import annotations

from server.auth.service.oauth.apps import (
    AppChange,
    NewApp,
    app_grants_by_id,
    apps_by_id,
    archive_app,
    forget_used,
    list_app_grants,
    list_apps,
    register_app,
    revoke_app_grant,
    rotate_secret,
    update_app,
)
from server.auth.service.oauth.consent import Consent, Decision, ask, decide
from server.auth.service.oauth.devices import ask_for_device, decide_for_device
from server.auth.service.oauth.endpoints import answer, metadata
from server.auth.service.oauth.limits import guess, too_often
from server.auth.service.oauth.server import Endpoint
from server.auth.service.oauth.wire import Asked, Reply, malformed

__all__ = [
    "AppChange",
    "Asked",
    "Consent",
    "Decision",
    "Endpoint",
    "NewApp",
    "Reply",
    "answer",
    "app_grants_by_id",
    "apps_by_id",
    "archive_app",
    "ask",
    "ask_for_device",
    "decide",
    "decide_for_device",
    "forget_used",
    "guess",
    "list_app_grants",
    "list_apps",
    "malformed",
    "metadata",
    "register_app",
    "revoke_app_grant",
    "rotate_secret",
    "too_often",
    "update_app",
]
