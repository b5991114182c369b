"""What a connector answers for the verbs that its platform does not have."""

from __future__ import annotations

from collections.abc import Mapping

from server.platforms.port import (
    Ability,
    AccountCredentials,
    Attachment,
    CampaignCosts,
    Handshake,
    Login,
    MediaFile,
    MediaSource,
    NotOffered,
    PageCredentials,
    Profile,
    Signal,
    SignedCallback,
    Tokens,
    UploadedMedia,
)


class Unoffering:
    """The base of every connector: each optional verb raises NotOffered until the platform's own class has it."""

    logins: tuple[Login, ...] = (Login.DIRECT,)
    uses_pkce: bool = False
    abilities: frozenset[Ability] = frozenset()

    def answer_handshake(self, query: Mapping[str, str]) -> Handshake | None:
        """Refuse: the platform makes no handshake."""
        return None

    def read_callback(self, form: Mapping[str, str]) -> SignedCallback:
        """Raise NotOffered."""
        raise NotOffered("signed callbacks")

    async def refresh(self, account: AccountCredentials) -> Tokens:
        """Raise NotOffered."""
        raise NotOffered("a refresh of grants")

    async def upload_media(self, page: PageCredentials, media: MediaFile) -> UploadedMedia:
        """Raise NotOffered."""
        raise NotOffered("media in messages")

    async def media_source(
        self, page: PageCredentials, message_id: str, thread_id: str | None, attachment: Attachment
    ) -> MediaSource | None:
        """Say that the attachment's own address is open to everybody who has it."""
        return None if attachment.url is None else MediaSource(attachment.url)

    async def signal(self, page: PageCredentials, signal: Signal) -> None:
        """Raise NotOffered."""
        raise NotOffered("typing and read marks")

    async def unsend(self, page: PageCredentials, platform_message_id: str) -> None:
        """Raise NotOffered."""
        raise NotOffered("deleting a message of the page")

    async def read_profile(self, page: PageCredentials, person_external_id: str) -> Profile | None:
        """Tell nothing."""
        return None

    async def create_campaign(self, page: PageCredentials, name: str) -> str:
        """Raise NotOffered."""
        raise NotOffered("paid marketing messages")

    async def campaign_costs(self, page: PageCredentials, platform_campaign_id: str) -> CampaignCosts:
        """Raise NotOffered."""
        raise NotOffered("paid marketing messages")
