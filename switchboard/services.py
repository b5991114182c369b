"""The processes that make up Switchboard, as command lines: nobody's internals are imported here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from switchboard import environment
from switchboard.environment import Addresses
from switchboard.ledger import PROJECT
from switchboard.supervisor import Service

HOST = "127.0.0.1"
API_PORT = 8000
STANDIN_PORT = 8100
STANDIN_STATE = "standin.json"
WORKERS = {
    "bell": ("bell",),
    "worker-interactive": ("run", "--queues", "replies,events"),
    "worker-campaigns": ("run", "--queues", "campaigns"),
    "worker-housekeeping": ("run", "--queues", "housekeeping"),
}


def addresses(api_port: int, standin_port: int) -> Addresses:
    """Return the addresses for these ports of the loopback interface."""
    return Addresses(f"http://{HOST}:{api_port}", f"http://{HOST}:{standin_port}")


def all_services(known: Addresses, told: Mapping[str, str], data_dir: Path) -> list[Service]:
    """Return every process in the order in which it is worth starting them; `told` is the services' environment."""
    return [_api(known, told), _standin(known, told, data_dir), *_workers(told)]


def _api(known: Addresses, told: Mapping[str, str]) -> Service:
    port = known.api.rpartition(":")[2]
    command = _python("uvicorn", "server.app:create_app", "--factory", "--host", HOST, "--port", port)
    return Service("api", (*command, "--no-access-log"), told, f"{known.api}/health/ready", PROJECT)


def _standin(known: Addresses, told: Mapping[str, str], data_dir: Path) -> Service:
    command = _python(
        "standin",
        *("--host", HOST, "--port", known.standin.rpartition(":")[2]),
        *("--app-id", told["MESSENGER_APP_ID"], "--app-secret", told["MESSENGER_APP_SECRET"]),
        *("--verify-token", told["MESSENGER_VERIFY_TOKEN"], "--callback-url", f"{known.api}/webhooks/messenger"),
        *("--state", str(data_dir / STANDIN_STATE)),
    )
    apps = {"STANDIN_APPS": environment.apps_of_standin(told, known.api)}
    return Service(
        "standin", command, environment.for_standin(told) | apps, f"{known.standin}/control/settled", PROJECT
    )


def _workers(told: Mapping[str, str]) -> list[Service]:
    return [
        Service(name, _python("workers.main", *arguments), told, directory=PROJECT)
        for name, arguments in WORKERS.items()
    ]


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
