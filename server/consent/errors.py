"""What can be refused about topics and consent."""

from __future__ import annotations

from server.kit.errors import DomainError


class UnknownTopic(DomainError):
    """No topic of this key is visible from the page's unit, so nobody can say what the person answered."""

    code = "consent.unknown_topic"

    def __init__(self, key: str) -> None:
        super().__init__(
            "No topic with this key is offered at the page's unit or above it. Create the topic, then repeat.",
            path=("topicKey",),
            data={"topicKey": key},
        )


class NoEvidence(DomainError):
    """A yes that the person did not give through the platform or in a message cannot be recorded (S0-12)."""

    code = "consent.no_evidence"

    def __init__(self) -> None:
        super().__init__(
            "Nobody can say yes for somebody else. An opt-in comes from the person: the platform's request or a message.",
            path=("source",),
        )
