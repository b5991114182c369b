"""Which channels this installation offers, and the connector of each."""

from __future__ import annotations

from collections.abc import Mapping

from server.config import Settings
from server.platforms.instagram.connector import InstagramConnector
from server.platforms.linkedin.connector import LinkedInConnector
from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import Channel, Connector
from server.platforms.tiktok.connector import TikTokConnector
from server.platforms.wire.fetch import Fetcher
from server.platforms.x.connector import XConnector


class ChannelNotOffered(Exception):
    """No connector serves this channel here: it is not built yet, or its app is not configured."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(f"{channel} is not offered here")
        self.channel = channel


class Registry:
    """The connectors of one process."""

    def __init__(self, connectors: Mapping[Channel, Connector], fetcher: Fetcher | None = None) -> None:
        self._connectors = dict(connectors)
        self.fetcher = fetcher or Fetcher()

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
        await self.fetcher.aclose()


def build(settings: Settings) -> Registry:
    """Build the connectors of all configured channels. An app without id or secret could neither ask nor verify."""
    hooks = f"{settings.web.public_url.rstrip('/')}/webhooks"
    connectors: dict[Channel, Connector] = {}
    if settings.messenger.app_id and settings.messenger.app_secret.get_secret_value():
        connectors[Channel.MESSENGER] = MessengerConnector(settings.messenger)
    if settings.instagram.app_id and settings.instagram.app_secret.get_secret_value():
        connectors[Channel.INSTAGRAM] = InstagramConnector(settings.instagram, settings.messenger)
    if settings.x.client_id and settings.x.client_secret.get_secret_value():
        connectors[Channel.X] = XConnector(settings.x, f"{hooks}/x")
    if settings.linkedin.client_id and settings.linkedin.client_secret.get_secret_value():
        connectors[Channel.LINKEDIN] = LinkedInConnector(settings.linkedin, f"{hooks}/linkedin")
    if settings.tiktok.client_key and settings.tiktok.client_secret.get_secret_value():
        connectors[Channel.TIKTOK] = TikTokConnector(settings.tiktok, f"{hooks}/tiktok")
    return Registry(connectors, Fetcher(settings.web.trusted_media))
