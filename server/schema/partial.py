"""Objects of which only the selected fields are known, because the page's own statement fetched them."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def partial(kind: type[T], **known: object) -> T:
    """Make an object that has only these attributes. Asking it for another one fails loudly instead of inventing a value."""
    made = kind.__new__(kind)
    for name, value in known.items():
        setattr(made, name, value)
    return made
