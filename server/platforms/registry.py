"""Which channels this installation offers, and the connector of each."""

from __future__ import annotations

from collections.abc import Mapping

from server.config import Settings
from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import Channel, Connector


class ChannelNotOffered(Exception):
    """No connector serves this channel here: it is not built yet, or its app is not configured."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(f"{channel} is not offered here")
        self.channel = channel


class Registry:
    """The connectors of one process."""

    def __init__(self, connectors: Mapping[Channel, Connector]) -> None:
        self._connectors = dict(connectors)

    def of(self, channel: Channel) -> Connector:
        """Return the connector of a channel; raise ChannelNotOffered."""
        try:
            return self._connectors[channel]
        except KeyError:
            raise ChannelNotOffered(channel) from None

    def channels(self) -> tuple[Channel, ...]:
        """Return the channels that are offered."""
        return tuple(self._connectors)

    async def aclose(self) -> None:
        """Close every connector."""
        for connector in self._connectors.values():
            await connector.aclose()


def build(settings: Settings) -> Registry:
    """Build the connectors of all configured channels. An app without id or secret could neither ask nor verify."""
    connectors: dict[Channel, Connector] = {}
    if settings.messenger.app_id and settings.messenger.app_secret.get_secret_value():
        connectors[Channel.MESSENGER] = MessengerConnector(settings.messenger)
    return Registry(connectors)
