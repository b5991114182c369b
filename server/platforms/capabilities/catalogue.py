"""Looking up what a channel allows at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from server.platforms.capabilities.capability import Capability
from server.platforms.capabilities.instagram import INSTAGRAM
from server.platforms.capabilities.linkedin import LINKEDIN
from server.platforms.capabilities.messenger import MESSENGER
from server.platforms.capabilities.tiktok import TIKTOK
from server.platforms.capabilities.x import X
from server.platforms.port import Channel

CATALOGUE: Mapping[Channel, tuple[Capability, ...]] = {
    Channel.MESSENGER: MESSENGER,
    Channel.INSTAGRAM: INSTAGRAM,
    Channel.X: X,
    Channel.LINKEDIN: LINKEDIN,
    Channel.TIKTOK: TIKTOK,
}


class NoCapability(Exception):
    """Nothing is known about this channel at this moment."""

    def __init__(self, channel: Channel, when: datetime) -> None:
        super().__init__(f"nothing is known about {channel} at {when.isoformat()}")
        self.channel = channel
        self.when = when


def at(channel: Channel, when: datetime) -> Capability:
    """Return the rules of a channel at a moment (with time zone); raise NoCapability."""
    for capability in CATALOGUE.get(channel, ()):
        if capability.valid_from <= when and (capability.valid_until is None or when < capability.valid_until):
            return capability
    raise NoCapability(channel, when)
