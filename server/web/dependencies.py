"""What the routes of this shell need, given by the composition."""

from __future__ import annotations

from dataclasses import dataclass

from server.config import Settings
from server.kit.db import Database
from server.platforms.registry import Registry


@dataclass(frozen=True, slots=True)
class WebDependencies:
    """The parts of one API process that the routes use."""

    database: Database
    registry: Registry
    settings: Settings
