"""Children are started, watched and ended: all that were started, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from switchboard.files import read_private_json, write_private_json
from switchboard.ports import listen_from, port_of
from switchboard.processes import Process, find
from switchboard.supervisor import NotReady, Service, Supervisor, answers_ok, end_leftovers
from tests.switchboard.conftest import a_service, until

PATIENCE_S = 40.0
SERVING = str(Path(__file__).with_name("serving.py"))
SLEEP = "import signal; signal.pause()"
IGNORES_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf')\nwhile True: signal.pause()"
HAS_A_CHILD = (
    "import subprocess, sys, signal\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
    "print(child.pid)\n"
    "signal.pause()"
)

Supervise = Callable[..., Supervisor]


@pytest.fixture
async def supervise(tmp_path: Path, said: list[str]) -> AsyncIterator[Supervise]:
    """Give a function that starts services under a supervisor in this test's directory; all end with the test."""
    supervisors: list[Supervisor] = []

    def start(*services: Service) -> Supervisor:
        supervisor = Supervisor(tmp_path, said.append)
        supervisors.append(supervisor)
        supervisor.start(services)
        return supervisor

    yield start
    for supervisor in supervisors:
        await supervisor.stop(grace_s=0.5)


@pytest.fixture
def said() -> list[str]:
    """Give what the supervisor told the terminal."""
    return []


def noted(data_dir: Path) -> dict[str, Process]:
    """Return the children that are recorded for the next start."""
    texts = read_private_json(data_dir / "run.json") or {}
    return {name: Process(int(text.split(" ", 1)[0]), text.split(" ", 1)[1]) for name, text in texts.items()}


def log_of(data_dir: Path, name: str) -> str:
    path = data_dir / "logs" / f"{name}.log"
    return path.read_text() if path.exists() else ""


async def test_stopping_ends_every_child_and_nothing_else(supervise: Supervise, tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", SLEEP])
    supervisor = supervise(a_service("one", SLEEP), a_service("two", SLEEP))
    await until(lambda: len(noted(tmp_path)) == 2)
    children = noted(tmp_path)

    await supervisor.stop()

    assert not any(child.is_alive() for child in children.values())
    assert not (tmp_path / "run.json").exists()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


async def test_a_grandchild_does_not_outlive_its_parent(supervise: Supervise, tmp_path: Path) -> None:
    supervisor = supervise(a_service("parent", HAS_A_CHILD))
    await until(lambda: log_of(tmp_path, "parent").strip().isdigit())
    grandchild = find(int(log_of(tmp_path, "parent")))
    assert grandchild is not None

    await supervisor.stop()

    await until(lambda: not grandchild.is_alive())


async def test_a_child_that_does_not_listen_is_killed_after_the_grace(supervise: Supervise, tmp_path: Path) -> None:
    supervisor = supervise(a_service("deaf", IGNORES_TERM))
    await until(lambda: "deaf" in log_of(tmp_path, "deaf"))
    child = noted(tmp_path)["deaf"]

    await supervisor.stop(grace_s=0.3)

    assert not child.is_alive()


async def test_a_child_that_dies_is_started_again_and_said(
    supervise: Supervise, tmp_path: Path, said: list[str]
) -> None:
    supervise(a_service("worker", SLEEP))
    await until(lambda: "worker" in noted(tmp_path))
    first = noted(tmp_path)["worker"]

    os.kill(first.pid, signal.SIGKILL)

    await until(lambda: noted(tmp_path).get("worker", first) != first)
    assert said == ["worker ended (SIGKILL); starting it again in 0.5 s"]


async def test_the_pauses_between_the_starts_of_a_dying_child_grow(supervise: Supervise, said: list[str]) -> None:
    supervise(a_service("broken", "raise SystemExit(3)"))

    await until(lambda: len(said) == 3)

    assert [text.rpartition(" in ")[2] for text in said] == ["0.5 s", "1.0 s", "2.0 s"]
    assert "exit code 3" in said[0]


async def test_a_service_that_keeps_dying_ends_the_wait_with_its_own_words(supervise: Supervise) -> None:
    supervisor = supervise(a_service("broken", "raise SystemExit('no such setting')", ready_url="http://127.0.0.1:1/"))

    with pytest.raises(NotReady, match=r"(?s)did not answer within 1 s.*no such setting"):
        await supervisor.wait_until_ready(timeout_s=1)


async def test_a_command_that_does_not_exist_is_told_like_a_child_that_died(
    supervise: Supervise, tmp_path: Path, said: list[str]
) -> None:
    supervise(Service("nothing", ("/nonexistent/program",), {}))

    await until(lambda: bool(said))

    assert "exit code 127" in said[0]
    assert "No such file" in log_of(tmp_path, "nothing")


def serving_from(listening: socket.socket, *more: str) -> Service:
    command = (sys.executable, SERVING, str(listening.fileno()), *more)
    url = f"http://127.0.0.1:{port_of(listening)}/ready"
    return Service("serving", command, {}, url, sockets=(listening.fileno(),))


async def test_ready_means_that_the_service_answers_with_200(supervise: Supervise, tmp_path: Path) -> None:
    with listen_from(20_000) as listening:
        supervisor = supervise(serving_from(listening, "2"))

        await supervisor.wait_until_ready(timeout_s=PATIENCE_S)

    statuses = [line.split()[-2] for line in log_of(tmp_path, "serving").splitlines()]
    assert statuses[:3] == ["503", "503", "200"]
    assert not await answers_ok("http://127.0.0.1:1/", "")


@pytest.mark.parametrize("told", ["", "x-ready-nonce: guessed\r\n", "x-ready-nonce: \r\n"])
async def test_a_stranger_who_answers_with_200_is_not_believed(supervise: Supervise, told: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(f"HTTP/1.1 200 OK\r\n{told}Content-Length: 0\r\n\r\n".encode())
        writer.close()

    stranger = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{stranger.sockets[0].getsockname()[1]}/ready"
    supervisor = supervise(a_service("deaf", SLEEP, ready_url=url))

    with pytest.raises(NotReady, match="deaf did not answer"):
        await supervisor.wait_until_ready(timeout_s=1)
    stranger.close()


async def test_a_child_that_is_started_again_has_the_same_socket_and_a_nonce_of_its_own(
    supervise: Supervise, tmp_path: Path
) -> None:
    with listen_from(20_000) as listening:
        service = serving_from(listening)
        supervisor = supervise(service)
        await supervisor.wait_until_ready(timeout_s=PATIENCE_S)
        before, first = await asked(listening), noted(tmp_path)["serving"]

        os.kill(first.pid, signal.SIGKILL)
        # Asked at once, before the next child runs: the connection waits for it in the socket.
        after = await asked(listening)

    assert before["x-pid"] == str(first.pid)
    assert after["x-pid"] != before["x-pid"]
    assert after["x-ready-nonce"] not in ("", before["x-ready-nonce"])


async def asked(listening: socket.socket) -> dict[str, str]:
    """Ask whoever accepts from the socket, also somebody who will only be started; return the headers of the answer."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            head = b""
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            if head:
                return dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)


async def test_leftovers_of_a_killed_supervisor_are_ended_by_their_start_time(tmp_path: Path) -> None:
    ours, stranger = (subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True) for _ in range(2))
    our_process = find(ours.pid)
    assert our_process is not None
    write_private_json(
        tmp_path / "run.json",
        {"api": f"{ours.pid} {our_process.started}", "reused": f"{stranger.pid} some-boot:12", "gone": "999999999 x:1"},
    )

    ended = await asyncio.to_thread(end_leftovers, tmp_path, 5.0)

    assert ended == ["api"]
    assert ours.wait(timeout=5) == -signal.SIGTERM
    assert stranger.poll() is None
    assert not (tmp_path / "run.json").exists()
    stranger.kill()
    stranger.wait()
