"""What can be refused about approvals."""

from __future__ import annotations

from server.kit.errors import DomainError


class SelfApproval(DomainError):
    """Nobody decides on what they wrote or edited themselves (four eyes)."""

    code = "approvals.self_approval"

    def __init__(self) -> None:
        super().__init__("You wrote or edited this. Somebody else with the permission to approve has to decide.")


class ContentChanged(DomainError):
    """The content is not the one that was shown; `data.digest` names the content that is waiting now (or null)."""

    code = "approvals.content_changed"

    def __init__(self, digest: bytes | None) -> None:
        super().__init__(
            "The content changed after it was shown to you. Read it again and decide on what it is now.",
            path=("expectedDigest",),
            data={"digest": None if digest is None else digest.hex()},
        )


class AlreadyDecided(DomainError):
    """The request has its outcome; `data.state` says which."""

    code = "approvals.already_decided"

    def __init__(self, state: str) -> None:
        super().__init__("This request is decided. Load it again to see the outcome.", data={"state": state})


class AlreadyVoted(DomainError):
    """One person decides once on a request."""

    code = "approvals.already_voted"

    def __init__(self) -> None:
        super().__init__("You have decided on this request already. It waits for others.")


class AlreadyPending(DomainError):
    """The subject has a request that nobody decided yet."""

    code = "approvals.already_pending"

    def __init__(self) -> None:
        super().__init__("A request for this is waiting for a decision already.")


class PersonNeeded(DomainError):
    """An approval is the act of a person: an app's token cannot give it."""

    code = "approvals.person_needed"

    def __init__(self) -> None:
        super().__init__("Only a member can decide, not an app. Sign in as a person.")
