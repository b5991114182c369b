"""The processes that make up Switchboard, as command lines: nobody's internals are imported here."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from switchboard import environment
from switchboard.environment import Addresses
from switchboard.ledger import PROJECT
from switchboard.ports import listen_from, port_of
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


@dataclass(frozen=True, slots=True)
class Doors:
    """The sockets that the API and the stand-in accept from, bound before anything starts and kept until all has ended."""

    api: socket
    standin: socket

    @property
    def addresses(self) -> Addresses:
        """Return where they are."""
        return addresses(port_of(self.api), port_of(self.standin))


@contextlib.contextmanager
def open_doors() -> Iterator[Doors]:
    """Listen on the usual ports, or on the next ones that are free; raise NoFreePort."""
    with listen_from(API_PORT, HOST) as api, listen_from(STANDIN_PORT, HOST) as standin:
        yield Doors(api, standin)


def all_services(doors: Doors, told: Mapping[str, str], data_dir: Path) -> list[Service]:
    """Return every process in the order in which it is worth starting them; `told` is the services' environment."""
    return [_api(doors, told), _standin(doors, told, data_dir), *_workers(told)]


def _api(doors: Doors, told: Mapping[str, str]) -> Service:
    fd = doors.api.fileno()
    ready = f"{doors.addresses.api}/health/ready"
    return Service("api", _python("server.serve", "--fd", str(fd)), told, ready, PROJECT, (fd,))


def _standin(doors: Doors, told: Mapping[str, str], data_dir: Path) -> Service:
    known, fd = doors.addresses, doors.standin.fileno()
    command = _python(
        "standin",
        *("--fd", str(fd)),
        *("--app-id", told["MESSENGER_APP_ID"], "--app-secret", told["MESSENGER_APP_SECRET"]),
        *("--verify-token", told["MESSENGER_VERIFY_TOKEN"], "--callback-url", f"{known.api}/webhooks/messenger"),
        *("--state", str(data_dir / STANDIN_STATE)),
    )
    apps = {"STANDIN_APPS": environment.apps_of_standin(told, known.api)}
    ready = f"{known.standin}/control/settled"
    return Service("standin", command, environment.for_standin(told) | apps, ready, PROJECT, (fd,))


def _workers(told: Mapping[str, str]) -> list[Service]:
    return [
        Service(name, _python("workers.main", *arguments), told, directory=PROJECT)
        for name, arguments in WORKERS.items()
    ]


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
