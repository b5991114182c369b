"""After every grant, revocation, move and share each person sees what the model says, and nothing of the other side (G28)."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from server.config import Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from tests.tenancy.visible_set import VisibleSet


def compare(config: Settings, runs: int, steps: int) -> None:
    """Run the machine on engines and a loop of its own."""
    with asyncio.Runner() as runner:
        database = Database(config.database, KeyRing.parse(config.security.keys.get_secret_value()))
        machine = type(
            "Machine", (VisibleSet,), {"runner": runner, "database": database, "settings_of_service": config}
        )
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=runs,
                    stateful_step_count=steps,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(database.aclose())


def test_each_person_sees_what_the_model_says_after_every_step(walk_settings: Settings) -> None:
    compare(walk_settings, runs=6, steps=20)


@pytest.mark.faults
def test_each_person_sees_what_the_model_says_in_two_hundred_long_runs(walk_settings: Settings) -> None:
    compare(walk_settings, runs=200, steps=50)
