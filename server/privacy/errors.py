"""What can be refused about leaving and erasing."""

from __future__ import annotations

from server.kit.errors import DomainError


class UnitIsHeadquarters(DomainError):
    """The root of an organization cannot leave it."""

    code = "privacy.unit_is_headquarters"

    def __init__(self) -> None:
        super().__init__("The headquarters cannot leave its own organization. Name a unit under it.", path=("unitId",))


class NameNotConfirmed(DomainError):
    """The name that was typed is not the unit's."""

    code = "privacy.name_not_confirmed"

    def __init__(self) -> None:
        super().__init__(
            "This is not the name of the unit. Type it exactly as it is shown, to confirm what is to be erased.",
            path=("confirmName",),
        )


class UnderLegalHold(DomainError):
    """A legal hold forbids the erasure."""

    code = "privacy.under_legal_hold"

    def __init__(self) -> None:
        super().__init__("A legal hold forbids to erase this. Ask again when it was lifted.", path=("contactId",))


class ErasureRunning(DomainError):
    """The contact is being erased already."""

    code = "privacy.erasure_running"

    def __init__(self) -> None:
        super().__init__("This contact is being erased already. Watch the operation that does it.", path=("contactId",))
