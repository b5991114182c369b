"""Small files that hold secrets or state: private to their owner, and replaced as a whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path


def read_private_json(path: Path) -> dict[str, str] | None:
    """Return the flat object in a file, None when there is no such file."""
    try:
        text = path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    loaded = json.loads(text)
    return {str(key): str(value) for key, value in loaded.items()}


def write_private_json(path: Path, content: dict[str, str]) -> None:
    """Replace a file by this object, readable by us alone (0600) from its first byte on."""
    write_private(path, json.dumps(content, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file by this text, readable by us alone (0600) from its first byte on."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
