"""All actors by the class of their job. A test fails when a registered job has no actor."""

from __future__ import annotations

from workers.actors import (
    audit,
    auth,
    campaigns,
    channels,
    channels_connect,
    contacts,
    housekeeping,
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
    **channels_connect.ACTORS,
    **contacts.ACTORS,
    **sends.ACTORS,
    **templates.ACTORS,
    **campaigns.ACTORS,
    **housekeeping.ACTORS,
    **units.ACTORS,
    **privacy.ACTORS,
}
