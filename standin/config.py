"""The configuration of the stand-in: which app it plays and how fast, how strict and how dear it is."""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path

from standin.jsonish import BadBody, Json

URLS = {"callback_url", "deauthorize_url", "deletion_url"}
NULLABLE = {*URLS, "read_ms", "echo_ms", "delivery_ms"}
NOT_SETTABLE = {"ledger_file", "state_file", "apps"}


@dataclass(slots=True)
class StandinConfig:
    """The app and its settings; `apps` are those of the other platforms, by name.

    Times are in the unit of the name's suffix; a rate of 0 means no limit.
    """

    app_id: str
    app_secret: str = field(repr=False)
    verify_token: str = field(repr=False)
    callback_url: str | None = None
    redirect_uris: list[str] = field(default_factory=list)
    ledger_file: Path | None = None
    state_file: Path | None = None
    apps: dict[str, Json] = field(default_factory=dict, repr=False)
    echo_ms: int | None = 20
    delivery_ms: int | None = 60
    read_ms: int | None = 200
    list_rate_per_s: int = 2
    send_rate_per_s: int = 300
    media_rate_per_s: int = 10
    throttle_code: int = 80006
    regain_minutes: int = 0
    page_percent: int = 1
    app_percent: int = 1
    private_replies_per_hour: int = 750
    media_fetch_s: float = 10.0
    template_status: str = "APPROVED"
    deauthorize_url: str | None = None
    deletion_url: str | None = None
    marketing_interval_s: int = 43_200
    price: str = "0.0141"
    currency: str = "EUR"
    spend_decimals: int = 2
    user_token_s: int = 5_400
    long_token_s: int = 5_183_944
    code_s: int = 600
    require_appsecret_proof: bool = False
    enforce_scopes: bool = True
    webhook_retry_ms: list[int] = field(default_factory=lambda: [200, 500, 1_000, 2_000, 5_000, 10_000, 30_000])
    webhook_timeout_s: float = 5.0
    webhook_batch_size: int = 100
    webhook_lanes: int = 4
    unsubscribe_after_s: float = 3_600.0

    def apply(self, changes: Json) -> None:
        """Take over the given settings, all or none; `BadBody` names the first one that is unknown or of a wrong type."""
        known = {item.name for item in fields(self)} - NOT_SETTABLE
        for name, value in changes.items():
            if name not in known:
                raise BadBody(f"unknown setting {name}")
            _check(name, value, getattr(self, name))
        for name, value in changes.items():
            setattr(self, name, value)

    def shown(self) -> Json:
        """Everything but the secrets."""
        hidden = {"app_secret", "verify_token"} | NOT_SETTABLE
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in hidden}


def _check(name: str, value: object, present: object) -> None:
    if value is None:
        if name not in NULLABLE:
            raise BadBody(f"{name} must not be null")
        return
    kind: type | tuple[type, ...] = type(present)
    if name in NULLABLE:
        kind = str if name in URLS else int
    if kind is float:
        kind = (int, float)
    if kind is not bool and isinstance(value, bool):
        raise BadBody(f"{name} must not be true or false")
    if not isinstance(value, kind):
        raise BadBody(f"{name} has the wrong type")
    if isinstance(value, list):
        item_kind = int if name == "webhook_retry_ms" else str
        if not all(isinstance(item, item_kind) for item in value):
            raise BadBody(f"{name} has an item of the wrong type")
    if name == "price" and not re.fullmatch(r"\d+(\.\d+)?", str(value)):
        raise BadBody("price must be a decimal number as text")
