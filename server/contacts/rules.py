"""Pure decisions about names and colors of contacts and labels."""

from __future__ import annotations

import re

from server.kit.errors import DomainError, InvalidInput

MAX_NAME = 200
MAX_LABEL = 60
_COLOR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def name_problems(name: str | None, field: str, limit: int = MAX_NAME) -> list[DomainError]:
    """Say what is wrong with a name; None stands for an unknown name and is right."""
    if name is None or (name.strip() and len(name) <= limit and not _CONTROL.search(name)):
        return []
    return [InvalidInput(f"A name has 1 to {limit} characters and no control characters.", path=(field,))]


def color_problems(color: str) -> list[DomainError]:
    """Say what is wrong with a color."""
    if _COLOR.fullmatch(color):
        return []
    return [InvalidInput("A color is # and six hexadecimal digits in lower case.", path=("color",))]


def told_name(name: str | None) -> str | None:
    """Return a platform's name for a person in a form that we store; None for an empty one."""
    if name is None:
        return None
    return _CONTROL.sub("\ufffd", name).strip()[:MAX_NAME] or None
