"""What can be refused about known documents."""

from __future__ import annotations

from collections.abc import Sequence

from server.kit.errors import DomainError


class DigestMismatch(DomainError):
    """The id is not `sha256:` and the SHA-256 of the text, in hexadecimal. `details.documentId` is what it would be."""

    code = "document.digest_mismatch"

    def __init__(self, expected: str, *, path: Sequence[str]) -> None:
        super().__init__(
            "This documentId is not the SHA-256 of the text in UTF-8. Send the text byte for byte as it was hashed.",
            path=path,
            data={"documentId": expected},
        )


class DocumentInvalid(DomainError):
    """The text is not one named operation that the schema would serve; the message says what is wrong with it."""

    code = "document.invalid"


class TooManyDocuments(DomainError):
    """The organization would have more documents than it may. `details.limit` is the number."""

    code = "document.too_many"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"An organization has at most {limit} registered documents, each version of each app counted. Withdraw those "
            "of versions that nobody uses any more, then register these again.",
            path=("documents",),
            data={"limit": limit},
        )
