"""What can be refused about contacts and labels."""

from __future__ import annotations

from server.kit.errors import DomainError


class LabelExists(DomainError):
    """The unit has a label of this name."""

    code = "contact.label_exists"

    def __init__(self) -> None:
        super().__init__("This unit has a label of this name already.", path=("name",))


class LabelOutOfPlace(DomainError):
    """The label belongs neither to the contact's unit nor to one above it."""

    code = "contact.label_out_of_place"

    def __init__(self) -> None:
        super().__init__("This label is not one of the contact's unit or of a unit above it.", path=("labelId",))
