"""GraphQL types of what the networks allow: the composer's limits, as the API itself checks them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import strawberry

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability, MediaRule, Quota
from server.platforms.capabilities.catalogue import NoCapability
from server.schema.context import Info
from server.schema.cost import held, loaded
from server.schema.declarations import readable
from server.schema.enums import Act, Channel, MediaKind, QuotaScope, Receipt, Relationship, Starter, TextUnit, Unsend
from server.schema.permissions import query


@readable(None)
@strawberry.type(description="Media of one kind that a message may carry.")
class ChannelMediaRule:
    """A rule for media."""

    kind: MediaKind = strawberry.field(description="What the media is.")
    mime_types: list[str] = strawberry.field(description="The types that are taken, sorted.", directives=held(40))
    max_bytes: int = strawberry.field(description="The largest file, in bytes.")
    max_count: int = strawberry.field(description="How many go into one message.")

    @classmethod
    def of(cls, rule: MediaRule) -> ChannelMediaRule:
        """Show a rule."""
        return cls(
            kind=rule.kind,
            mime_types=sorted(rule.mime_types),
            max_bytes=rule.max_bytes,
            max_count=rule.max_count,
        )


@readable(None)
@strawberry.type(description="How many calls of one act fit into any window of this length.")
class ChannelQuota:
    """An allowance."""

    act: Act = strawberry.field(description="What is counted.")
    scope: QuotaScope = strawberry.field(description="Whose allowance it is: one page's, or that of our whole app.")
    limit: int = strawberry.field(description="How many.")
    window_seconds: int = strawberry.field(description="Within how many seconds.")

    @classmethod
    def of(cls, quota: Quota) -> ChannelQuota:
        """Show an allowance."""
        return cls(act=quota.act, scope=quota.scope, limit=quota.limit, window_seconds=_seconds(quota.window) or 0)


@readable(None)
@strawberry.type(description="Buttons below a text.")
class ChannelButtons:
    """A rule for buttons."""

    count: int = strawberry.field(description="How many fit below one text.")
    title_limit: int = strawberry.field(description="The longest title, in characters.")
    text_limit: int | None = strawberry.field(description="How long the text above may be then; null: as always.")


@readable(None)
@strawberry.type(
    description="What a network allows in a period. The same data checks every message, so a composer that follows it is"
    " never refused. Durations are in seconds; null means that the network knows no such limit or thing."
)
class ChannelCapability:
    """The rules of one channel."""

    channel: Channel = strawberry.field(description="The network.")
    valid_from: datetime = strawberry.field(description="Since when these rules hold.")
    valid_until: datetime | None = strawberry.field(description="Until when; null: until further notice.")
    source: str = strawberry.field(description="Where the network says so.")
    starter: Starter = strawberry.field(description="Who may open a conversation.")
    relationship: Relationship = strawberry.field(description="What must be between page and person before.")
    has_direct_messages: bool = strawberry.field(description="Whether pages have direct messages at all.")
    window_seconds: int | None = strawberry.field(description="How long after a person's last action one may write.")
    human_agent_window_seconds: int | None = strawberry.field(
        description="The same for words that a person of ours wrote and that promote nothing."
    )
    window_messages: int | None = strawberry.field(description="How many messages of the page fit into one window.")
    text_limit: int = strawberry.field(description="The longest text; nothing is ever cut.")
    text_unit: TextUnit = strawberry.field(description="What the limit counts.")
    comment_limit: int = strawberry.field(description="The longest public reply; 0: there is none.")
    media: list[ChannelMediaRule] = strawberry.field(description="Which media a message may carry.", directives=held(5))
    text_with_media: bool = strawberry.field(description="Whether text and media fit into one message.")
    quick_replies: int = strawberry.field(description="How many suggested answers; 0: there are none.")
    quick_reply_title_limit: int = strawberry.field(description="The longest title of one, in characters.")
    buttons: ChannelButtons | None = strawberry.field(description="Buttons below a text; null: there are none.")
    offers_utility: bool = strawberry.field(description="Whether templates that the network approved can be sent.")
    offers_marketing: bool = strawberry.field(description="Whether paid marketing messages exist.")
    offers_typing: bool = strawberry.field(description="Whether a page can show that it types.")
    offers_mark_read: bool = strawberry.field(description="Whether a page can show that it has read.")
    offers_comment_reply: bool = strawberry.field(description="Whether a page can answer comments in public.")
    private_reply_window_seconds: int | None = strawberry.field(
        description="How long after a comment one private reply to its author is possible."
    )
    marketing_gap_seconds: int | None = strawberry.field(
        description="The shortest time between two marketing messages to one person."
    )
    receipts: list[Receipt] = strawberry.field(
        description="What the network reports afterwards. What is missing here is unknown for a message, never 'not yet'.",
        directives=held(10),
    )
    unsend_by_page: Unsend = strawberry.field(description="What deleting a message of the page does.")
    unsend_by_contact: Unsend = strawberry.field(description="What it does when a person deletes one.")
    group_size: int = strawberry.field(description="How many people a conversation holds besides the page.")
    quotas: list[ChannelQuota] = strawberry.field(description="How many calls fit into a time.", directives=held(6))
    public_text_kept_seconds: int | None = strawberry.field(
        description="How long the network's terms let us keep what the public wrote."
    )
    public_names_kept_seconds: int | None = strawberry.field(
        description="How long they let us keep the names of those who wrote it."
    )

    @classmethod
    def of(cls, rules: Capability) -> ChannelCapability:
        """Show the rules of a channel."""
        buttons = rules.buttons
        return cls(
            channel=rules.channel,
            valid_from=rules.valid_from,
            valid_until=rules.valid_until,
            source=rules.source,
            starter=rules.starter,
            relationship=rules.relationship,
            has_direct_messages=rules.has_direct_messages,
            window_seconds=_seconds(rules.window),
            human_agent_window_seconds=_seconds(rules.human_agent_window),
            window_messages=rules.window_messages,
            text_limit=rules.text_limit,
            text_unit=rules.text_unit,
            comment_limit=rules.comment_limit,
            media=[ChannelMediaRule.of(rule) for rule in rules.media],
            text_with_media=rules.text_with_media,
            quick_replies=rules.quick_replies,
            quick_reply_title_limit=rules.quick_reply_title,
            buttons=None
            if buttons is None
            else ChannelButtons(count=buttons.count, title_limit=buttons.title, text_limit=buttons.text_limit),
            offers_utility=rules.offers_utility,
            offers_marketing=rules.offers_marketing,
            offers_typing=rules.offers_typing,
            offers_mark_read=rules.offers_mark_read,
            offers_comment_reply=rules.offers_comment_reply,
            private_reply_window_seconds=_seconds(rules.private_reply_window),
            marketing_gap_seconds=_seconds(rules.marketing_gap),
            receipts=sorted(rules.receipts),
            unsend_by_page=rules.unsend_by_page,
            unsend_by_contact=rules.unsend_by_contact,
            group_size=rules.group_size,
            quotas=[ChannelQuota.of(quota) for quota in rules.quotas],
            public_text_kept_seconds=_seconds(rules.public_text_kept),
            public_names_kept_seconds=_seconds(rules.public_names_kept),
        )


@strawberry.type
class CapabilitiesQuery:
    """Root fields about what the networks allow."""

    @query(
        None,
        "What each network allows, now or at another time: who may begin, windows, lengths, media, receipts, quotas."
        " Networks of which nothing is known at that time are left out. Any token may read it.",
        costs=loaded(10),
    )
    async def channel_capabilities(
        self,
        info: Info,
        at: Annotated[
            datetime | None, strawberry.argument(description="The moment that is asked about, with a time zone; now.")
        ] = None,
    ) -> list[ChannelCapability]:
        """List the rules in force."""
        async with info.context.read() as uow:
            moment = at or await uow.now()
        return [ChannelCapability.of(rules) for channel in Channel if (rules := _at(channel, moment)) is not None]


def _at(channel: Channel, moment: datetime) -> Capability | None:
    try:
        return catalogue.at(channel, moment)
    except NoCapability:
        return None


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else round(duration.total_seconds())
