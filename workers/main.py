"""Worker processes: `python -m workers.main run --queues replies,events` and `python -m workers.main bell`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import threading
from collections.abc import Sequence

import dramatiq

from server.config import Settings
from server.kit import log
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.errors import Unavailable
from server.kit.jobs import Queue
from server.models import metadata
from server.startup import guard
from workers import broker as brokers
from workers import mail, schedule
from workers.actors.registry import ACTORS
from workers.bell import Bell
from workers.bind import bind
from workers.middleware.setup import SetUp
from workers.queues import CONCURRENCY

_logger = log.get(__name__)
_SHUTDOWN_MS = 20_000
_TICK_S = 15.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


def run_queues(config: Settings, queues: Sequence[Queue]) -> None:
    """Serve the queues until SIGTERM or SIGINT; what is running then may finish within 20 s."""
    broker = _bound(config, queues)
    worker = dramatiq.Worker(
        broker,
        queues={queue.value for queue in queues},
        worker_threads=sum(CONCURRENCY[queue] for queue in queues),
        worker_timeout=200,
    )
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    worker.start()
    _logger.info("worker ready", queues=[queue.value for queue in queues])
    stopping.wait()
    worker.stop(timeout=_SHUTDOWN_MS)
    broker.close()


def _bound(config: Settings, queues: Sequence[Queue]) -> dramatiq.Broker:
    """Return a broker that knows the queues; one that is away is waited for, because the ledger keeps what is owed."""
    pause_s = _FIRST_PAUSE_S
    while True:
        broker = brokers.make(config)
        setup = SetUp(config)
        broker.add_middleware(setup)
        try:
            bind(broker, queues, setup.runtime, ACTORS)
        except brokers.troubles(broker) as error:
            _logger.warning("worker waits for the broker", error=f"{type(error).__name__}: {error}", again_in_s=pause_s)
            threading.Event().wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        else:
            return broker


async def run_bell(config: Settings) -> None:
    """Ring, tick and send people's mail until SIGTERM or SIGINT."""
    database = Database(config.database, KeyRing.parse(config.security.keys.get_secret_value()))
    broker = brokers.make(config)
    bell = Bell(database, broker, config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, bell.stop)
    ticking = asyncio.create_task(_tick(database), name="schedule")
    mailing = asyncio.create_task(mail.run(database, config), name="mail")
    _logger.info("bell ready")
    await bell.run()
    ticking.cancel()
    mailing.cancel()
    await asyncio.gather(ticking, mailing, return_exceptions=True)
    await database.aclose()
    await asyncio.to_thread(broker.close)


async def _tick(database: Database) -> None:
    while True:
        try:
            await schedule.tick(database)
        except Unavailable:
            _logger.warning("schedule waits: the database is away")
        await asyncio.sleep(_TICK_S)


def main(arguments: Sequence[str]) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m workers.main", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("run", help="serve queues")
    serve.add_argument("--queues", required=True, help="comma separated: " + ", ".join(queue.value for queue in Queue))
    commands.add_parser("bell", help="ring the broker for due jobs, sweep and tick")
    chosen = parser.parse_args(arguments)
    log.configure()
    if chosen.command == "bell":
        asyncio.run(run_bell(guard.begin(metadata)))
        return
    try:
        queues = [Queue(name.strip()) for name in chosen.queues.split(",")]
    except ValueError:
        parser.error("unknown queue; choose from " + ", ".join(queue.value for queue in Queue))
    run_queues(guard.begin(metadata), queues)


if __name__ == "__main__":
    main(sys.argv[1:])
