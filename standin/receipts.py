"""What a platform does by itself after it accepted a message: echo, delivery, read, also for marketing messages."""

from collections.abc import Callable

from standin.jsonish import Json
from standin.state import Campaign, Comment, Customer, Message, OptinToken, Page, World
from standin.timers import Timers
from standin.webhooks_out import Webhooks


class Receipts:
    """Plans the receipts of accepted messages on the event loop."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self._world = world
        self._webhooks = webhooks
        self._timers = Timers()

    @property
    def pending(self) -> int:
        """Receipts that are still to come."""
        return len(self._timers)

    def forget(self) -> None:
        """Cancel all receipts that are still to come."""
        self._timers.cancel()

    def timing(self, customer: Customer) -> tuple[int | None, int | None, int | None]:
        """Milliseconds until echo, delivery and read for this person; None = never."""
        config, own = self._world.config, customer.own_timing
        return (
            customer.echo_ms if "echo_ms" in own else config.echo_ms,
            customer.delivery_ms if "delivery_ms" in own else config.delivery_ms,
            customer.read_ms if "read_ms" in own else config.read_ms,
        )

    def follow_service(self, page: Page, customer: Customer, message: Message, has_echo: bool = True) -> None:
        """Echo, delivery and read of a Send API message. `has_echo` False when the echo has already gone out."""
        echo_ms, delivery_ms, read_ms = self.timing(customer)
        emit = self._webhooks.emit
        if has_echo:
            item = echo_item(self._world, message)
            self._after(echo_ms, lambda: emit(page, "message_echoes", item, customer.psid))
        if customer.is_blocked:
            return
        mid, created = message.mid, message.created_ms
        stamp = self._world.now_ms

        def deliver() -> None:
            emit(page, "message_deliveries", delivery_item(page.id, customer.psid, [mid], stamp()), customer.psid)

        def read() -> None:
            emit(
                page, "message_reads", read_item(page.id, customer.psid, stamp(), max(created, stamp())), customer.psid
            )

        self._after(delivery_ms, deliver)
        if delivery_ms is not None:
            self._after(read_ms, read)

    def follow_marketing(
        self, page: Page, token: OptinToken, campaign: Campaign | None, mid: str, tracking: str
    ) -> None:
        """Echo, delivery and read of a marketing message, or its failure when the person blocked the page."""
        customer = page.customers[token.psid]
        echo_ms, delivery_ms, read_ms = self.timing(customer)

        def emit(kind: str, extra: Json | None = None) -> None:
            value = self._marketing_value(page, token, campaign, mid, tracking)
            self._webhooks.emit(page, f"marketing_message_{kind}", {**value, **(extra or {})}, token.psid)

        def deliver() -> None:
            if campaign is not None:
                campaign.delivered += 1
            emit("deliveries")

        def read() -> None:
            if campaign is not None:
                campaign.read += 1
            emit("reads")

        def fail() -> None:
            emit("delivery_failed", {"business_id": page.business, "error_message": "User is not available."})

        self._after(echo_ms, lambda: emit("echoes"))
        if customer.is_blocked:
            self._after(delivery_ms, fail)
            return
        self._after(delivery_ms, deliver)
        if delivery_ms is not None:
            self._after(read_ms, read)

    def _marketing_value(
        self, page: Page, token: OptinToken, campaign: Campaign | None, mid: str, tracking: str
    ) -> Json:
        return {
            "recipient_id": token.psid,
            "page_id": page.id,
            "app_id": self._world.config.app_id,
            "timestamp": self._world.now_ms(),
            "mid": mid,
            "marketing_message_tracking_id": tracking,
            "messenger_subscription_token": token.value,
            "message_id": campaign.id if campaign is not None else None,
        }

    def _after(self, delay_ms: int | None, act: Callable[[], None]) -> None:
        if delay_ms is not None:
            self._timers.after(delay_ms / 1000, act)


def echo_item(world: World, message: Message) -> Json:
    """The echo of a message that the page sent through this app."""
    inner: Json = {"mid": message.mid, "is_echo": True, "app_id": world.config.app_id}
    if message.metadata is not None:
        inner["metadata"] = message.metadata
    inner.update(content_of(message))
    return {
        "sender": {"id": message.page},
        "recipient": {"id": message.psid},
        "timestamp": message.created_ms,
        "message": inner,
    }


def content_of(message: Message) -> Json:
    """Text and attachments as webhooks carry them."""
    inner: Json = {}
    if message.text is not None:
        inner["text"] = message.text
    if message.attachments:
        inner["attachments"] = message.attachments
    return inner


def delivery_item(page: str, psid: str, mids: list[str], at_ms: int) -> Json:
    """A delivery receipt; everything up to the watermark has arrived."""
    return {
        "sender": {"id": psid},
        "recipient": {"id": page},
        "timestamp": at_ms,
        "delivery": {"mids": mids, "watermark": at_ms},
    }


def read_item(page: str, psid: str, at_ms: int, watermark: int) -> Json:
    """A read receipt; everything up to the watermark was seen."""
    return {
        "sender": {"id": psid},
        "recipient": {"id": page},
        "timestamp": at_ms,
        "read": {"watermark": watermark},
    }


def comment_change(page: Page, customer: Customer, comment: Comment, verb: str) -> Json:
    """What a webhook tells of a comment."""
    return {
        "item": "comment",
        "verb": verb,
        "comment_id": comment.id,
        "post_id": comment.post_id,
        "parent_id": comment.parent_id,
        "from": comment_author(page, customer, comment),
        "message": comment.text,
        "created_time": comment.created_ms // 1000,
    }


def comment_author(page: Page, customer: Customer, comment: Comment) -> Json:
    """Who wrote a comment."""
    if comment.from_page:
        return {"id": page.id, "name": page.name}
    return {"id": customer.psid, "name": customer.name}
