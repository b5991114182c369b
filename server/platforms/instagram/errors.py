"""What a refusal of Instagram means where its codes say more than the common table (platforms.md 1.2 and 2.3)."""

from __future__ import annotations

from server.platforms.meta import errors as meta
from server.platforms.meta.errors import GraphError
from server.platforms.port import FailureReason
from server.platforms.wire.refusals import Refusal

# Errors of type IGApiException; both are told before anything is looked at.
_BY_CODE: dict[int, Refusal] = {
    104: Refusal(FailureReason.AUTH),
    2500: Refusal(FailureReason.BAD_CONTENT),
}


def refusal_of(error: GraphError) -> Refusal | None:
    """Return what a documented refusal means; None if this error does not prove that nothing happened."""
    own = _BY_CODE.get(error.code)
    if own is None:
        return meta.refusal_of(error)
    return None if error.is_transient else own
