"""What was accepted and what was called: the independent record that tests compare the product against."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from standin.jsonish import Json


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted message. `reference` is what must occur once; `fault` the fault its answer met, if any.

    A platform that carries no mark of ours has `text:<person>:<text>` there, so tests send texts that differ.
    `details` holds what else the message carried (quick replies, a tag, the comment it answers …).
    """

    seq: int
    page: str
    person: str
    mid: str
    kind: str
    text: str | None
    attachments: list[object]
    metadata: str | None
    reference: str | None
    messaging_type: str | None
    campaign: str | None
    tracking_id: str | None
    accepted_at: int
    token_sha256: str
    fault: str | None
    platform: str = "messenger"
    details: Json = field(default_factory=dict)


def reference_of(metadata: str | None) -> str | None:
    """`<id>` of `sb1:<id>:<attempt>`; other metadata as it is; None without any."""
    if not metadata:
        return None
    parts = metadata.split(":")
    if len(parts) == 3 and parts[0] == "sb1":
        return parts[1]
    return metadata


class Ledger:
    """Append-only. With a file each entry is on its way to disk before the answer is given."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self.entries: list[Entry] = []

    def append(self, entry: Entry) -> None:
        """Record an accepted message."""
        self.entries.append(entry)
        self._write(orjson.dumps(entry))

    def next_seq(self) -> int:
        """The number of the entry to come; starts at 1 and grows by one."""
        return len(self.entries) + 1

    def reset(self) -> None:
        """Start over; a file keeps its lines and gets a mark."""
        if self.entries:
            self._write(b'{"reset":true}')
        self.entries = []

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def since(self, seq: int, page: str | None, limit: int | None) -> list[Entry]:
        """The entries after that number, oldest first."""
        found = [entry for entry in self.entries[max(seq, 0) :] if page is None or entry.page == page]
        return found if limit is None else found[:limit]

    def summary(self, page: str | None) -> Json:
        """Counts, and every reference that was accepted more than once."""
        chosen = self.since(0, page, None)
        seqs: defaultdict[str, list[int]] = defaultdict(list)
        for entry in chosen:
            if entry.reference is not None:
                seqs[entry.reference].append(entry.seq)
        doubled = [(key, found) for key, found in seqs.items() if len(found) > 1]
        kinds = Counter(entry.kind for entry in chosen)
        return {
            "accepted": len(chosen),
            "service": kinds["service"],
            "marketing": kinds["marketing"],
            "by_page": dict(Counter(entry.page for entry in chosen)),
            "references": len(seqs),
            "duplicates": [{"reference": key, "count": len(found), "seqs": found} for key, found in doubled],
        }

    def _write(self, line: bytes) -> None:
        if self._path is None:
            return
        if self._file is None:
            self._file = self._path.open("ab")
        self._file.write(line + b"\n")
        self._file.flush()


class Calls:
    """Counts every Graph call by operation and answer."""

    def __init__(self) -> None:
        self._by_op: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def reset(self) -> None:
        """Back to zero."""
        self._by_op.clear()

    def count(self, op: str, answer: str) -> None:
        """One more call of that operation with that answer."""
        self._by_op[op][answer] += 1

    def shown(self) -> Json:
        """All counts as plain JSON."""
        by_op = {op: dict(answers) for op, answers in sorted(self._by_op.items())}
        return {"total": sum(sum(answers.values()) for answers in by_op.values()), "by_op": by_op}
