"""The error taxonomy: what a caller did wrong is a `DomainError`; everything else is a bug and is masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar


class DomainError(Exception):
    """An expected refusal with a stable code (`slice.fact`), told to the caller as an entry of `userErrors`.

    `path` names the offending input, outermost first. `data` holds what a front end needs to help (JSON values only).
    """

    code: ClassVar[str] = "invalid"

    def __init__(self, message: str, *, path: Sequence[str] = (), data: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = tuple(path)
        self.data: Mapping[str, object] = data or {}


class Problems(Exception):
    """Several refusals of one input, told together so that the caller mends them in one go."""

    def __init__(self, problems: Sequence[DomainError]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class NotFound(DomainError):
    """The object does not exist for this caller. The text is the same for a foreign, a deleted and a random id."""

    code = "not_found"

    def __init__(self, *, path: Sequence[str] = ()) -> None:
        super().__init__("No such object, or it is outside of what you may see. Check the id.", path=path)


class InvalidInput(DomainError):
    """A value is not of the form or size that the field documents."""

    code = "invalid_input"


class InvalidCursor(DomainError):
    """The cursor was not made by this list, or was made for other arguments."""

    code = "invalid_cursor"

    def __init__(self, *, path: Sequence[str] = ("after",)) -> None:
        super().__init__(
            "This cursor does not belong to this list and these arguments. Start again without it.", path=path
        )


class PermissionDenied(DomainError):
    """The caller sees the object but may not do this with it. `data.permission` names what is missing."""

    code = "permission_denied"

    def __init__(self, permission: str, *, path: Sequence[str] = ()) -> None:
        super().__init__(
            f"This needs the permission {permission} here. Ask an administrator of your organization for it.",
            path=path,
            data={"permission": permission},
        )


class IdempotencyRequired(DomainError):
    """The mutation leads to a send, an approval or a publication and came without an idempotency key."""

    code = "idempotency_required"

    def __init__(self) -> None:
        super().__init__(
            "Give an idempotency key: @idempotent(key: …) on the field or the Idempotency-Key header. "
            "Use a new key for each intention and the same key for each retry."
        )


class IdempotencyKeyReused(DomainError):
    """The key was used before for another input."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This idempotency key was used with another input. Use a new key for a new intention.")


class IdempotencyInProgress(DomainError):
    """The first request with this key is still running."""

    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__("The first request with this idempotency key is still running. Retry in a few seconds.")


class TookTooLong(Exception):
    """A statement was ended by its time limit, or did not get a lock in time; its transaction changed nothing."""

    def __init__(self) -> None:
        super().__init__("This took too long and was ended; nothing was changed. Try again, or ask for less at once.")


class Unavailable(Exception):
    """The database cannot be reached. Nothing was written; the caller retries after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int = 5) -> None:
        super().__init__("The database cannot be reached. Nothing was written; retry later.")
        self.retry_after_s = retry_after_s


class Busy(Unavailable):
    """More is asked of this process than it can do at once. Nothing was changed; the caller retries soon."""

    def __init__(self, message: str = "The service is busy. Nothing was changed; retry in a moment.") -> None:
        super().__init__(retry_after_s=1)
        self.args = (message,)


def error_classes(root: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    """Yield every kind of refusal that the loaded slices declare, each once."""
    seen: set[type[DomainError]] = set()
    stack = [root]
    while stack:
        kind = stack.pop()
        if kind not in seen:
            seen.add(kind)
            yield kind
            stack.extend(kind.__subclasses__())
