"""A whole system for each test that breaks one."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from server.kit.ids import new_id
from switchboard.postgres import Server
from tests import standin_server
from tests.faults.plant import Plant
from tests.standin_server import Platform


@pytest.fixture
async def plant(postgres: Server, tmp_path: Path) -> AsyncIterator[Plant]:
    """A whole system on a database of its own, with Redis as the broker."""
    name = f"faults_{new_id().hex[-12:]}"
    postgres.create_database(name, template="sb_template")
    standin, url = standin_server.start("--ledger", str(tmp_path / "ledger.jsonl"))
    environment = {
        "DATABASE_URL": postgres.app_url(name),
        "SYSTEM_DATABASE_URL": postgres.system_url(name),
        "SWITCHBOARD_ENV": "test",
        "SWITCHBOARD_KEYS": "test:" + base64.b64encode(b"k" * 32).decode(),
        "SWITCHBOARD_PEPPER": "pepper-of-the-test-suite-0123456789",
        "MESSENGER_APP_ID": standin_server.APP_ID,
        "MESSENGER_APP_SECRET": standin_server.SECRET,
        "MESSENGER_VERIFY_TOKEN": standin_server.VERIFY_TOKEN,
        "MESSENGER_GRAPH_URL": url,
        "MESSENGER_DIALOG_URL": url,
        "SEND_DEADLINE_S": "3",
        "SEND_LEASE_S": "8",
        "SEND_GRACE_S": "4",
        "SWEEP_S": "1",
        "RERING_S": "3",
    }
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        made = Plant(environment, tmp_path, standin, Platform(url, http))
        try:
            yield made
        finally:
            made.down()
