"""All actors by the class of their job. A test fails when a registered job has no actor."""

from __future__ import annotations

from workers.actors import (
    audit,
    auth,
    campaigns,
    channels,
    channels_bulk,
    channels_connect,
    channels_keep,
    comments,
    contacts,
    housekeeping,
    inbox_media,
    privacy,
    sends,
    templates,
    units,
)
from workers.run import Actor

ACTORS: dict[type, Actor] = {
    **auth.ACTORS,
    **audit.ACTORS,
    **channels.ACTORS,
    **channels_bulk.ACTORS,
    **channels_connect.ACTORS,
    **comments.ACTORS,
    **channels_keep.ACTORS,
    **contacts.ACTORS,
    **sends.ACTORS,
    **templates.ACTORS,
    **campaigns.ACTORS,
    **housekeeping.ACTORS,
    **inbox_media.ACTORS,
    **units.ACTORS,
    **privacy.ACTORS,
}
