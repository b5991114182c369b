"""Use cases of privacy, as `from server.privacy import service as privacy`; one module per part of the story."""

from __future__ import annotations

from server.privacy.service.contacts import ask_to_erase, erase_slice
from server.privacy.service.erasing import note_strays
from server.privacy.service.offboarding import (
    Wish,
    list_offboardings,
    offboard,
    offboardings_by_id,
    steps_of,
    work,
)
from server.privacy.service.revoking import note_taken_back
from server.privacy.service.turns import More, Over, StepDone, Strays, TakeBack, Turn, Wait

__all__ = [
    "More",
    "Over",
    "StepDone",
    "Strays",
    "TakeBack",
    "Turn",
    "Wait",
    "Wish",
    "ask_to_erase",
    "erase_slice",
    "list_offboardings",
    "note_strays",
    "note_taken_back",
    "offboard",
    "offboardings_by_id",
    "steps_of",
    "work",
]
