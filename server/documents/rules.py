"""Known documents: what may be registered, under which names, and how many. Pure decisions, no I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from server.documents.errors import DigestMismatch, DocumentInvalid
from server.kit.errors import DomainError, InvalidInput

MAX_LIVE = 5_000
"""Registrations of one organization that are not withdrawn."""
MAX_WITHDRAWN = 5_000
"""Withdrawn registrations that stay listed; the oldest ones beyond are forgotten. The trail keeps who withdrew them."""
MAX_AT_ONCE = 250
"""Documents of one registration, and ids of one withdrawal."""
MAX_NAME = 64
"""Characters of the name of an app and of its version."""
USES_KEPT = timedelta(days=90)
USES_SHOWN = timedelta(days=30)
"""Over how many days uses are added up where nothing else is asked for."""

_PREFIX = "sha256:"
_HEX_LENGTH = 64
_TOLD = 3
"""Problems of one document that are told; the rest follow from them more often than not."""


class OperationType(StrEnum):
    """What the operation of a document does."""

    QUERY = "QUERY"
    MUTATION = "MUTATION"
    SUBSCRIPTION = "SUBSCRIPTION"


@dataclass(frozen=True, slots=True)
class ClientBuild:
    """One version of one client application, in the words of its makers; two empty texts for a client that says neither."""

    app: str
    version: str


UNNAMED = ClientBuild("", "")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the running schema says about one text. It holds for this schema only and is never stored."""

    operation_name: str
    operation_type: OperationType
    problems: tuple[str, ...]
    """Why it cannot be served, as sentences; empty if it can be."""
    price: int | None
    """What the operation costs at most, in points; None while it has problems."""

    @property
    def is_valid(self) -> bool:
        """Say whether the schema would serve the document."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class NewDocument:
    """One entry of a manifest: the id that the client will send, the text behind it, and what the schema says of it."""

    document_id: str
    text: str
    reading: Reading


def digest_of(text: str) -> bytes:
    """Return the SHA-256 of a document's text in UTF-8."""
    return hashlib.sha256(text.encode()).digest()


def document_id(digest: bytes) -> str:
    """Write the id of a document: `sha256:` and the digest in hexadecimal."""
    return _PREFIX + digest.hex()


def digest_in(text: str) -> bytes | None:
    """Read the digest out of a document's id; None for anything that `document_id` would not write."""
    found = text.removeprefix(_PREFIX)
    if len(text) != len(_PREFIX) + _HEX_LENGTH or found == text or found.strip("0123456789abcdef"):
        return None
    return bytes.fromhex(found)


def is_name(text: str) -> bool:
    """Say whether this can name an app or a version, also in an HTTP header: 1 to 64 printable characters of ASCII."""
    return 1 <= len(text) <= MAX_NAME and text.isascii() and text.isprintable() and text == text.strip()


def build_named(app: str | None, version: str | None) -> ClientBuild:
    """Return what a caller says about itself in headers; a name that cannot be one counts as not given."""
    return ClientBuild(
        app if app is not None and is_name(app) else "", version if version is not None and is_name(version) else ""
    )


def build_problems(build: ClientBuild) -> list[DomainError]:
    """Return what is wrong with the names of a build: one problem for each."""
    return [
        InvalidInput(
            f"{field} has 1 to {MAX_NAME} printable characters of ASCII, none of them a space at an end.", path=(field,)
        )
        for field, text in (("app", build.app), ("version", build.version))
        if not is_name(text)
    ]


def manifest_problems(documents: Sequence[NewDocument]) -> list[DomainError]:
    """Return all that is wrong with a manifest, in its order."""
    found: list[DomainError] = []
    for place, one in enumerate(documents):
        if digest_in(one.document_id) != digest_of(one.text):
            found.append(DigestMismatch(document_id(digest_of(one.text)), path=("documents", str(place), "documentId")))
        found += [
            DocumentInvalid(problem, path=("documents", str(place), "text")) for problem in one.reading.problems[:_TOLD]
        ]
    return found


def size_problems(count: int, field: str) -> list[DomainError]:
    """Return what is wrong with the length of a list of documents or ids: nothing, or one problem at `field`."""
    if not 1 <= count <= MAX_AT_ONCE:
        return [InvalidInput(f"Give 1 to {MAX_AT_ONCE} at once; send more in several calls.", path=(field,))]
    return []
