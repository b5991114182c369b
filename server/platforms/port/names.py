"""Names that every side of the port uses."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    """The networks a page can live on (product.md, part E)."""

    MESSENGER = "MESSENGER"
    INSTAGRAM = "INSTAGRAM"
    X = "X"
    LINKEDIN = "LINKEDIN"
    TIKTOK = "TIKTOK"


class Login(StrEnum):
    """Through which dialogue a grant was given: the network's own, or that of Facebook for what hangs on a Facebook page."""

    DIRECT = "DIRECT"
    FACEBOOK = "FACEBOOK"


class FailureReason(StrEnum):
    """Why a platform did not take a message (product.md S4-15)."""

    NOT_CONNECTED = "NOT_CONNECTED"
    PRIVACY_BLOCKED = "PRIVACY_BLOCKED"
    RATE_LIMITED = "RATE_LIMITED"
    RATE_LIMITED_NEW_CONVERSATIONS = "RATE_LIMITED_NEW_CONVERSATIONS"
    WINDOW_CLOSED = "WINDOW_CLOSED"
    BLOCKED_BY_CONTACT = "BLOCKED_BY_CONTACT"
    BAD_CONTENT = "BAD_CONTENT"
    POLICY = "POLICY"
    AUTH = "AUTH"
    PERMISSION = "PERMISSION"
    PAGE_RESTRICTED = "PAGE_RESTRICTED"
    OPTED_OUT = "OPTED_OUT"
    TRANSIENT = "TRANSIENT"
    AMBIGUOUS = "AMBIGUOUS"


class MediaKind(StrEnum):
    """What a piece of media is."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    AUDIO = "AUDIO"
    FILE = "FILE"


class Act(StrEnum):
    """What a quota counts."""

    SEND = "SEND"
    SEND_MEDIA = "SEND_MEDIA"
    PRIVATE_REPLY = "PRIVATE_REPLY"
    COMMENT_REPLY = "COMMENT_REPLY"
    LIST = "LIST"


class QuotaScope(StrEnum):
    """Whose allowance a quota is: one page's, or that of our app at the platform, shared by all tenants."""

    PAGE = "PAGE"
    APP = "APP"
