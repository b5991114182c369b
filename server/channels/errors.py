"""What can be refused about connecting pages and acting for them."""

from __future__ import annotations

from uuid import UUID

from server.kit.errors import DomainError


class StateInvalid(DomainError):
    """The `state` of a callback is unknown, expired, used, or of another channel. The text never says which."""

    code = "channel.state_invalid"

    def __init__(self) -> None:
        super().__init__("This connection attempt is not open. Begin again from your application.", path=("state",))


class CompletionInvalid(DomainError):
    """The completion code is not the one that the browser at the end of the dialogue was given."""

    code = "channel.completion_invalid"

    def __init__(self) -> None:
        super().__init__("This is not the completion code of the connection.", path=("completion",))


class ConnectionNotOpen(DomainError):
    """The connection was refused, is finished, has expired, or the dialogue is still running."""

    code = "channel.connection_not_open"

    def __init__(self) -> None:
        super().__init__(
            "No pages can be chosen in this connection now: it is not granted yet, refused, finished or expired.",
            path=("connectionId",),
        )


class PageNotOffered(DomainError):
    """The grant does not reach this page, or the page was chosen twice."""

    code = "channel.page_not_offered"

    def __init__(self) -> None:
        super().__init__("The grant does not offer this page, or it was chosen twice.", path=("externalId",))


class PageTaken(DomainError):
    """The page is connected elsewhere. By whom is nobody's business."""

    code = "channel.page_taken"

    def __init__(self) -> None:
        super().__init__(
            "This page is connected elsewhere. It must be disconnected there before it can be connected here.",
            path=("externalId",),
        )


class PageInOtherUnit(DomainError):
    """The page has its history under another unit of the same organization, which the caller sees."""

    code = "channel.page_in_other_unit"

    def __init__(self, unit_id: UUID) -> None:
        super().__init__(
            "This page and its history stand under another unit. Connect it there.",
            path=("unitId",),
            data={"unitId": str(unit_id)},
        )


class PageDisconnected(DomainError):
    """The page was disconnected; it is kept for its history only."""

    code = "channel.page_disconnected"

    def __init__(self) -> None:
        super().__init__("This page is disconnected. Connect it again to act for it.")


class ChoicesUnclear(DomainError):
    """A bulk connect was given no list, or several; or its list cannot be read."""

    code = "channel.choices_unclear"
