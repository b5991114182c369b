"""A process that counts uses of documents and ends as a service does; started by test_counting.py.

Arguments: the organization, how many uses to note, and the documents, each as hexadecimal digest.
"""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

from server.config import settings
from server.documents.counting import UseCounter
from server.documents.rules import ClientBuild
from server.kit.crypto import KeyRing
from server.kit.db import Database


async def main(organization_id: UUID, count: int, digests: list[bytes]) -> None:
    """Note the uses in turn, while they are written, and end gracefully."""
    config = settings()
    database = Database(config.database, KeyRing.parse(config.security.keys.get_secret_value()))
    counter = UseCounter(database, pause_s=0.01)
    counter.start()
    for number in range(count):
        counter.note(organization_id, digests[number % len(digests)], "Q", ClientBuild("web", "1"))
        await asyncio.sleep(0.001)
    await counter.aclose()
    await database.aclose()


if __name__ == "__main__":
    asyncio.run(main(UUID(sys.argv[1]), int(sys.argv[2]), [bytes.fromhex(one) for one in sys.argv[3:]]))
