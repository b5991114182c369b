"""The GraphQL-over-HTTP audit of graphql-http finds nothing to say about our transport (`make clients`)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from copy import copy
from pathlib import Path

import httpx
import pytest

from server.app import create_app
from server.config import Environment, Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api, serving
from tests.factories.tenants import a_person, an_agency

pytestmark = pytest.mark.clients

AUDITS = 61
"""How many graphql-http 1.23 has; another number means that another version is installed."""


@pytest.fixture
async def development(settings: Settings) -> AsyncIterator[Api]:
    """The API as development configures it: any document, introspection allowed."""
    configured = copy(settings)
    configured.web = settings.web.model_copy(update={"environment": Environment.DEVELOPMENT})
    async with serving(create_app(configured)) as url, httpx.AsyncClient(timeout=30) as http:
        yield Api(url, http)


async def audited(packages: Path, url: str, token: str) -> list[dict[str, str]]:
    """Run every audit and return its results."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(packages / "audit.mjs"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "AUDIT": json.dumps({"url": url, "token": token})},
        cwd=packages,
    )
    told, complaint = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, complaint.decode()
    results: list[dict[str, str]] = json.loads(told)
    return results


async def test_every_audit_of_graphql_http_is_ok(
    packages: Path, development: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    token = (await a_person(database, settings, agency, agency.root_id, Role.OWNER)).token

    results = await audited(packages, f"{development.url}/graphql", token)

    short = [f"{one['status']} {one['id']} {one['name']}: {one}" for one in results if one["status"] != "ok"]
    assert not short, "\n".join(short)
    assert len({one["id"] for one in results}) == AUDITS
