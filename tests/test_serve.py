"""The API's own command says why it cannot start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from server.config import Settings

ROOT = Path(__file__).parent.parent


def refused(*arguments: str, pass_fds: tuple[int, ...] = (), code: int = 2, **settings: str) -> str:
    """Start it with what cannot be used; return what it said on its way out. A wrong setting ends it with 1, as any process."""
    ended = subprocess.run(
        [sys.executable, "-m", "server.serve", *arguments],
        cwd=ROOT,
        env={**os.environ, **settings},
        pass_fds=pass_fds,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_taken_port_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        assert f"cannot listen on 127.0.0.1, port {port}" in refused("--port", port)


@pytest.mark.parametrize("kind", ["closed", "not listening", "no socket"])
def test_a_descriptor_that_is_no_listening_socket_is_named(settings: Settings, kind: str) -> None:
    with socket.socket() as bound, (ROOT / "pyproject.toml").open() as file:
        bound.bind(("127.0.0.1", 0))
        fd = {"closed": 999, "not listening": bound.fileno(), "no socket": file.fileno()}[kind]

        said = refused("--fd", str(fd), pass_fds=() if kind == "closed" else (fd,))

    assert f"--fd {fd} is not a socket that listens" in said


def test_a_proxy_that_is_none_is_named(settings: Settings) -> None:
    assert "'loadbalancer' is neither an address nor a network" in refused(
        "--port", "0", code=1, SWITCHBOARD_TRUSTED_PROXIES="loadbalancer"
    )
