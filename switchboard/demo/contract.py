"""The contract as a third party has it: the folder frontend-contract/, and nothing else of this project."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "frontend-contract"
_NAMED = re.compile(r"^(query|mutation|subscription) (\w+)", re.MULTILINE)


class ContractBroken(RuntimeError):
    """The folder does not hold together; the message says where."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One reference operation: its text, and the id under which the server knows it."""

    name: str
    kind: str
    text: str
    document_id: str

    @property
    def needs_key(self) -> bool:
        """Say whether it carries @idempotent with a variable `$key`."""
        return "@idempotent(key: $key)" in self.text


class Contract:
    """The reference operations by name."""

    def __init__(self, folder: Path = FOLDER) -> None:
        ids = {text: name for name, text in json.loads((folder / "persisted-documents.json").read_text()).items()}
        self._operations: dict[str, Operation] = {}
        for path in sorted((folder / "operations").glob("*.graphql")):
            text = path.read_text()
            found = _NAMED.search(text)
            if found is None or text not in ids:
                raise ContractBroken(f"{path.name} is not in persisted-documents.json")
            self._operations[found[2]] = Operation(found[2], found[1], text, ids[text])

    def operation(self, name: str) -> Operation:
        """Return one operation; raise ContractBroken for a name that the folder does not have."""
        if name not in self._operations:
            raise ContractBroken(f"frontend-contract/operations has no {name}")
        return self._operations[name]

    @property
    def names(self) -> list[str]:
        """Return the names of all operations."""
        return list(self._operations)
