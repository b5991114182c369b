"""What an error answer of X means (platforms.md 4.3 and 8): codes of the older shape, problem documents of the newer one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from server.platforms.port import FailureReason
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import Json, items, mapping, text, whole
from server.platforms.wire.refusals import Refusal, shown

_PROBLEMS = "/2/problems/"


@dataclass(frozen=True, slots=True)
class XError:
    """What an error answer says: the code of `errors[]`, and title, detail and last part of the type of a problem document."""

    status: int
    code: int | None
    title: str
    detail: str
    problem: str

    def __str__(self) -> str:
        told = self.detail or self.title
        number = f"{self.status}/{self.code}" if self.code is not None else f"{self.status}"
        return f"{number} {told}".rstrip()


_RATE = Refusal(FailureReason.RATE_LIMITED, retryable=True)
_AUTH = Refusal(FailureReason.AUTH)
_PERMISSION = Refusal(FailureReason.PERMISSION)
_PRIVACY = Refusal(FailureReason.PRIVACY_BLOCKED)
_POLICY = Refusal(FailureReason.POLICY)
_CONTENT = Refusal(FailureReason.BAD_CONTENT)

_BY_CODE: dict[int, Refusal] = {
    32: _AUTH,
    89: _AUTH,
    88: _RATE,
    93: _PERMISSION,
    150: Refusal(FailureReason.NOT_CONNECTED),
    # "Send failed" without a reason; the table of platforms.md 8 has it nowhere. It is a documented refusal, but no cure is.
    151: _POLICY,
    187: _CONTENT,
    226: _POLICY,
    349: _PRIVACY,
}
_BY_PROBLEM: dict[str, Refusal] = {
    "client-forbidden": _PERMISSION,
    "oauth1-permissions": _PERMISSION,
    "unsupported-authentication": _PERMISSION,
    "usage-capped": _RATE,
    "rate-limit-exceeded": _RATE,
    "invalid-request": _CONTENT,
}
# In v2 the code is mostly missing and its sentence stands in `detail` (platforms.md 4.3), so the sentence says the code.
_BY_DETAIL: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"not following you|does ?n[o']t follow", re.IGNORECASE), 150),
    (re.compile(r"automated", re.IGNORECASE), 226),
    (re.compile(r"duplicate", re.IGNORECASE), 187),
    (re.compile(r"error sending your message|send failed", re.IGNORECASE), 151),
    (re.compile(r"access or delete your direct messages|direct message permission", re.IGNORECASE), 93),
    (re.compile(r"(cannot|can't|may not|not allowed to|permission to) (send|message|dm)\b", re.IGNORECASE), 349),
)


def read_error(answer: Answer) -> XError | None:
    """Return the error an answer holds in either shape, or None if it is no error document of X."""
    body = answer.json()
    first = mapping(next(iter(items(body.get("errors"))), None))
    code = whole(first.get("code"))
    title, detail = text(body.get("title")) or text(first.get("title")), text(body.get("detail"))
    detail = detail or text(first.get("detail")) or text(first.get("message"))
    if code is None and not title and not detail:
        return None
    status = whole(body.get("status")) or answer.status
    return XError(status, code, shown(title or ""), shown(detail or ""), _problem(body, first))


def refusal_of(error: XError) -> Refusal | None:
    """Return what a refusal means; None if this error does not prove that nothing happened."""
    code = error.code if error.code in _BY_CODE else _code_in(error)
    if code is not None:
        return _BY_CODE[code]
    found = _BY_PROBLEM.get(error.problem)
    return found if found is not None else _by_status(error.status)


def _by_status(status: int) -> Refusal | None:
    # 403 without a reason concerns the person (platforms.md 8): stopping the whole account for one person would be wrong.
    table = {400: _CONTENT, 401: _AUTH, 403: _PRIVACY, 429: _RATE}
    return table.get(status)


def _code_in(error: XError) -> int | None:
    return next((code for pattern, code in _BY_DETAIL if pattern.search(error.detail)), None)


def _problem(body: Json, first: Json) -> str:
    kind = text(body.get("type")) or text(first.get("type")) or ""
    return kind.partition(_PROBLEMS)[2].strip("/").lower()
