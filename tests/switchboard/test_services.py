"""The command lines of our processes fit the programs that they start."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.kit.ids import new_id
from switchboard import services
from switchboard.ledger import PROJECT
from switchboard.postgres import Server
from switchboard.services import Doors
from switchboard.supervisor import READY_NONCE, Service, answers_ok
from tests.api import a_socket

PATIENCE_S = 90.0
TOLD = {"MESSENGER_APP_ID": "1", "MESSENGER_APP_SECRET": "s", "MESSENGER_VERIFY_TOKEN": "v"}


@pytest.fixture
def doors() -> Iterator[Doors]:
    """Two sockets that nobody accepts from yet."""
    with a_socket() as api, a_socket() as standin:
        for one in (api, standin):
            one.listen()
        yield Doors(api, standin)


def started(service: Service, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        service.command,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=service.sockets,
        env={**os.environ, **service.environment, **more},
    )


def named(doors: Doors, data_dir: Path, name: str) -> Service:
    (found,) = (item for item in services.all_services(doors, TOLD, data_dir) if item.name == name)
    return found


def test_the_standin_keeps_its_world_in_the_data_directory(doors: Doors, tmp_path: Path) -> None:
    with started(named(doors, tmp_path, "standin")) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == f"standin ready on {doors.addresses.standin}\n"
        child.terminate()

    assert child.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["standin.json"]


@pytest.mark.parametrize("name", ["api", "standin"])
async def test_each_accepts_from_the_socket_that_it_was_handed_and_tells_its_nonce(
    name: str, doors: Doors, tmp_path: Path, postgres: Server
) -> None:
    service = named(doors, tmp_path, name)
    with started(service, **{**a_database(postgres), READY_NONCE: "this-very-one"}) as child:
        try:
            is_ready = await answers_ok(service.ready_url or "", "this-very-one", timeout_s=PATIENCE_S)
            is_another = await answers_ok(service.ready_url or "", "another-one", timeout_s=PATIENCE_S)
        finally:
            child.terminate()

    assert is_ready
    assert not is_another


def a_database(server: Server) -> dict[str, str]:
    """Return what the API must be told to be ready."""
    name = f"doors_{new_id().hex}"
    server.create_database(name, template="sb_template")
    return {
        "DATABASE_URL": server.app_url(name),
        "SYSTEM_DATABASE_URL": server.system_url(name),
        "SWITCHBOARD_ENV": "test",
        "SWITCHBOARD_KEYS": "test:" + base64.b64encode(b"k" * 32).decode(),
        "SWITCHBOARD_PEPPER": "pepper-of-the-test-suite-0123456789",
    }


def test_without_a_nonce_nothing_is_told(doors: Doors, tmp_path: Path) -> None:
    with started(named(doors, tmp_path, "standin")) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with socket.create_connection(doors.standin.getsockname(), timeout=PATIENCE_S) as line:
            line.sendall(b"GET /control/settled HTTP/1.0\r\n\r\n")
            answer = line.makefile("rb").read()
        child.terminate()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"x-ready-nonce" not in answer
