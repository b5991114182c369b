"""`switchboard up` with tiny services in place of ours: `python -m tests.switchboard.starting DATA_DIR [--keep-database]`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from switchboard import up
from switchboard.services import Doors
from switchboard.supervisor import Service

SERVING = str(Path(__file__).with_name("serving.py"))
SLEEP = "import signal; signal.pause()"


def services(doors: Doors, told: Mapping[str, str], _data_dir: Path) -> list[Service]:
    """Return two services that answer and a worker that only runs."""
    return [
        Service(name, (sys.executable, SERVING, str(door.fileno())), told, f"{url}/ready", sockets=(door.fileno(),))
        for name, door, url in (
            ("api", doors.api, doors.addresses.api),
            ("standin", doors.standin, doors.addresses.standin),
        )
    ] + [Service("worker", (sys.executable, "-c", SLEEP), told)]


if __name__ == "__main__":
    asked = up.Options(Path(sys.argv[1]), keep_database="--keep-database" in sys.argv, with_demo=False)
    sys.exit(up.run(asked, Console(width=200), services))
