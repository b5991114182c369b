"""All actors by the class of their job. A test fails when a registered job has no actor."""

from __future__ import annotations

from workers.actors import campaigns, channels, channels_connect, contacts, housekeeping, sends, templates
from workers.run import Actor

ACTORS: dict[type, Actor] = {
    **channels.ACTORS,
    **channels_connect.ACTORS,
    **contacts.ACTORS,
    **sends.ACTORS,
    **templates.ACTORS,
    **campaigns.ACTORS,
    **housekeeping.ACTORS,
}
