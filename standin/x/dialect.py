"""How X posts webhooks: one event per body, signed in base64 over the raw bytes, up to three retries over five minutes."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable

from standin.posting import Event
from standin.x.state import Settings


def signed(raw: bytes, secret: str) -> str:
    """`sha256=` and the base64 of the digest; X signs bodies and CRC tokens alike (platforms.md 4.5)."""
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode("ascii")


def serialised(body: object) -> bytes:
    """JSON as it is signed and sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


class XDialect:
    """What differs from other platforms."""

    platform = "webhook:x"
    lanes = 4
    batch_size = 1

    def __init__(self, settings: Callable[[], Settings], app: Callable[[str], str]) -> None:
        self._settings = settings
        self._app = app

    @property
    def retry_ms(self) -> list[int]:
        """As configured."""
        return self._settings().retry_ms

    @property
    def timeout_s(self) -> float:
        """As configured; documented are three seconds."""
        return self._settings().webhook_timeout_ms / 1000

    def body(self, events: list[Event]) -> bytes:
        """The envelope; several events of one account and one list of the older generation share one."""
        first = events[0].item
        if len(events) == 1 or not isinstance(first, dict):
            return serialised(first)
        return serialised(merged([event.item for event in events]))

    def headers(self, raw: bytes) -> dict[str, str]:
        """The signature."""
        return {
            "x-twitter-webhooks-signature": signed(raw, self._app("consumer_secret")),
            "User-Agent": "Twitterbot/1.0",
        }

    def is_success(self, status: int) -> bool:
        """200 and nothing else."""
        return status == 200

    def succeeded(self, events: list[Event]) -> None:
        """Nothing is remembered."""

    def gives_up(self, events: list[Event], attempt: int) -> bool:
        """After the last pause the event is lost until a replay."""
        return attempt > len(self._settings().retry_ms)


def merged(items: list[object]) -> object:
    """Bodies that the fault plan batches: lists of one account are joined, others stand in a list, as X documents no batches."""
    first = items[0]
    if not isinstance(first, dict) or "for_user_id" not in first:
        return items
    joined = dict(first)
    for item in items[1:]:
        if not isinstance(item, dict) or item.get("for_user_id") != first["for_user_id"]:
            return items
        for name, value in item.items():
            before = joined.get(name)
            if isinstance(before, list) and isinstance(value, list):
                joined[name] = [*before, *value]
            elif isinstance(before, dict) and isinstance(value, dict):
                joined[name] = {**before, **value}
            else:
                joined[name] = value
    return joined
