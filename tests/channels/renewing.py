"""A worker process of the refresh tests: asks several times at once for fresh tokens of one page, and tells which it got.

Arguments: organization, page, how often. Prints one JSON list of the tokens that calls would have used.
"""

from __future__ import annotations

import asyncio
import json
import sys
from uuid import UUID

from server.channels import service as channels
from server.config import settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.locks import WorkerLock
from server.platforms import registry
from server.tenants.scope import worker_scope
from server.tenants.uow import begin_read
from tests.factories.grants import a_run
from workers.refreshing import ensure_fresh
from workers.run import Runtime


async def main(organization_id: UUID, page_id: UUID, count: int) -> list[str]:
    """Ask `count` times at once."""
    config = settings()
    database = Database(config.database, KeyRing.parse(config.security.keys.get_secret_value()))
    lock = WorkerLock(database.system_dsn)
    await lock.acquire()
    connectors = registry.build(config)
    runtime = Runtime(database, connectors, config, lock)

    async def one() -> str:
        await ensure_fresh(a_run(runtime, organization_id), page_id)
        async with begin_read(database, worker_scope(organization_id)) as uow:
            return (await channels.credentials(uow, page_id)).page_token

    used = await asyncio.gather(*(one() for _ in range(count)))
    await connectors.aclose()
    await lock.release()
    await database.aclose()
    return used


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(UUID(sys.argv[1]), UUID(sys.argv[2]), int(sys.argv[3])))))
