"""What can be refused about the trail, legal access and legal holds."""

from __future__ import annotations

from server.kit.errors import DomainError


class PeopleOnly(DomainError):
    """A legal access is asked for, decided and used by people who are signed in, never by an app."""

    code = "legal.people_only"

    def __init__(self) -> None:
        super().__init__("Only a member may do this, with a token of their own. An app or a service token may not.")


class FourEyes(DomainError):
    """Whoever asked for a legal access cannot decide on it, with whatever token or membership."""

    code = "legal.four_eyes"

    def __init__(self) -> None:
        super().__init__("You asked for this access yourself. Somebody else with legal:grant has to decide.")


class AlreadyDecided(DomainError):
    """The request was decided, withdrawn or ended before."""

    code = "legal.already_decided"

    def __init__(self) -> None:
        super().__init__("This request is not open any more. Read it again; ask anew if access is still needed.")


class AccessNotOpen(DomainError):
    """The access was not granted, was ended, or its time is over."""

    code = "legal.access_not_open"

    def __init__(self) -> None:
        super().__init__("This access is not granted, was ended, or its time is over. Ask anew if it is still needed.")


class HoldLifted(DomainError):
    """The legal hold was lifted before."""

    code = "legal.hold_lifted"

    def __init__(self) -> None:
        super().__init__("This hold was lifted already. Set a new one if it is needed again.")
