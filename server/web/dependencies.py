"""What the routes of this shell need, given by the composition."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.channels.service import Intake
from server.config import Settings
from server.kit.admission import Admission
from server.kit.db import Database
from server.platforms.registry import Registry


@dataclass(frozen=True, slots=True)
class WebDependencies:
    """The parts of one API process that the routes use."""

    database: Database
    registry: Registry
    settings: Settings
    admission: Admission
    """The lanes of this process, which GraphQL takes too."""
    webhooks: Database | None = None
    """A small pool of their own, so that what platforms tell is stored however busy everything else is; None: none."""
    intake: Intake = field(init=False, repr=False, compare=False)
    """Webhooks of this process; what arrives together is stored together."""

    def __post_init__(self) -> None:
        """Open the intake beside the database that it stores into."""
        object.__setattr__(self, "intake", Intake(self.webhooks or self.database))
