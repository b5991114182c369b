"""Notifications as LinkedIn would post them, and what the connector makes of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from server.platforms.linkedin.connector import LinkedInConnector
from server.platforms.port import Event, RawEvent
from tests.platforms.contract.linkedin import CALLBACK, settings_of

ORGANISATION = "urn:li:organization:96072893"
PERSON = "urn:li:person:zLqTygBP8S"
ACTIVITY = "urn:li:activity:7094637247890620418"
SHARE = "urn:li:share:7094637247487995904"
COMMENT = f"urn:li:comment:({ACTIVITY},7094977717598625792)"
AT_MS = 1_691_574_506_310
AT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=AT_MS)


def a_connector(url: str = "http://127.0.0.1:1", **more: object) -> LinkedInConnector:
    """A connector whose LinkedIn is at `url`."""
    return LinkedInConnector(settings_of(url, **more), CALLBACK)


def a_notification(action: str, **parts: object) -> dict[str, object]:
    """A notification about the comment; a part that is None is left out."""
    told = {"entity": COMMENT, "owner": PERSON, "object": ACTIVITY, "text": "Nice bread"}
    item: dict[str, object] = {
        "notificationId": 5603453321,
        "organizationalEntity": ORGANISATION,
        "action": action,
        "sourcePost": ACTIVITY,
        "decoratedSourcePost": {"entity": SHARE, "owner": ORGANISATION, "text": "We bake.", "mediaCategory": "NONE"},
        "generatedActivity": COMMENT,
        "decoratedGeneratedActivity": {"comment": told},
        "lastModifiedAt": AT_MS,
        "subscriber": PERSON,
    } | parts
    return {name: value for name, value in item.items() if value is not None}


def a_body(*notifications: object, type_: str = "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS") -> bytes:
    """An envelope."""
    return json.dumps({"type": type_, "notifications": list(notifications)}).encode()


def read(body: bytes) -> list[tuple[RawEvent, Event]]:
    """Split and read a whole body."""
    connector = a_connector()
    return [
        (raw, event)
        for raw in connector.split(body)
        for event in connector.parse(raw.kind, raw.page_external_id, raw.payload)
    ]


def event_of(item: dict[str, object]) -> Event:
    """Read one notification."""
    [(_, event)] = read(a_body(item))
    return event
