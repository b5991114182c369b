"""`python -m tests.kit.spenders SECONDS FOLDER`: four processes that spend from one bucket, and are killed again and again.

Everything is imported once and the spenders are forked, so that they live and die fast. Each notes what it was granted in a
file of its own before it would use it. The bucket's size and rate come as BUCKET_CAPACITY and BUCKET_PER_S.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from server.config import settings
from server.kit.budgets import Budgets, Draw, Exhausted
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.ratelimit import Bucket

SPENDERS = 4
PRICE = 7.0


async def spend_forever(notes: Path, key: str) -> None:
    """Spend as fast as the budget lets, and note each grant."""
    config = settings()
    database = Database(config.database, KeyRing.parse(config.security.keys.get_secret_value()))
    bucket = Bucket("spenders", float(os.environ["BUCKET_CAPACITY"]), float(os.environ["BUCKET_PER_S"]))
    budgets = Budgets(database, config.security.pepper.get_secret_value())
    with notes.open("ab", buffering=0) as file:
        while True:
            try:
                await budgets.spend([Draw(bucket, key, PRICE)])
            except Exhausted as error:
                await asyncio.sleep(min(error.retry_after_s, 0.05))
            else:
                file.write(b".")


def main(seconds: float, folder: Path, key: str) -> None:
    """Keep the spenders alive, kill one after the other at random moments, and end them all after `seconds`."""
    living: list[int] = []
    number = 0
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        while len(living) < SPENDERS:
            number += 1
            child = os.fork()
            if child == 0:
                asyncio.run(spend_forever(folder / f"{number}", key))
            living.append(child)
        threading.Event().wait(random.uniform(0.05, 0.25))
        kill(living.pop(random.randrange(len(living))))
    for child in living:
        kill(child)


def kill(child: int) -> None:
    """End one spender as a crash would."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
