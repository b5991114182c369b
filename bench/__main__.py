"""`python -m bench [name…]`: run the named benchmarks, all by default; 1 if one of them found something wrong."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from time import perf_counter

from bench import applying, grants, hostile, imports, inbox, ingest, neighbours, reach, release, sends, walls
from bench.harness import BenchFailed, Stage, stage
from bench.results import Result
from server.kit import log

BENCHES: Mapping[str, Callable[[Stage], Coroutine[None, None, Result]]] = {
    "inbox": inbox.run,
    "ingest": ingest.run,
    "apply": applying.run,
    "sends": sends.run,
    "release": release.run,
    "walls": walls.run,
    "grants": grants.run,
    "reach": reach.run,
    "import": imports.run,
    "hostile": hostile.run,
    "neighbours": neighbours.run,
}


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ratios, measured side by side in one run.")
    parser.add_argument("name", nargs="*", help="of " + ", ".join(BENCHES))
    names = parser.parse_args(arguments).name or list(BENCHES)
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(BENCHES)}")
    log.configure()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster and the servers are ended too
    failed = False
    with stage() as one:
        for name in names:
            started = perf_counter()
            try:
                asyncio.run(BENCHES[name](one)).show()
            except BenchFailed as problem:
                print(f"\n{name} FAILED: {problem}", file=sys.stderr)
                failed = True
            print(f"  ({name} took {perf_counter() - started:.0f} s)", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
