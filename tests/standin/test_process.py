"""The command: start, ledger file, crash, clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    ledger = tmp_path / "ledger.jsonl"
    arguments = ["--port", "0", "--app-id", "1", "--app-secret", "s", "--verify-token", "v", "--ledger", str(ledger)]
    child = subprocess.Popen(
        [sys.executable, "-m", "standin", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line.startswith("standin ready on http://127.0.0.1:"), line
    yield child, line.split()[-1], ledger
    child.kill()
    child.communicate()


def send(url: str, metadata: str) -> httpx.Response:
    with httpx.Client(base_url=url, trust_env=False) as http:
        page = http.post("/control/pages", json={"id": "1", "name": "P"}).json()["pages"][0]
        http.post("/control/customers", json={"page": "1", "psid": "2", "wrote_s_ago": 1})
        body = {"recipient": {"id": "2"}, "message": {"text": "hi", "metadata": metadata}}
        return http.post("/v25.0/me/messages", json=body, params={"access_token": page["access_token"]})


def test_sigterm_ends_it_with_success_and_in_silence(process):
    child, url, _ = process
    assert send(url, "sb1:a:1").status_code == 200

    child.send_signal(signal.SIGTERM)

    assert child.wait(5) == 0
    assert child.stderr.read() == ""


def test_sigterm_ends_it_although_a_call_hangs(process):
    child, url, _ = process
    with httpx.Client(base_url=url, trust_env=False, timeout=0.2) as http:
        http.put("/control/faults", json={"rules": [{"action": "hang"}]})
        with pytest.raises(httpx.ReadTimeout):
            http.get("/v25.0/me")
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == 0


def test_the_ledger_can_be_read_after_a_crash(process):
    child, url, ledger = process
    assert send(url, "sb1:a:1").status_code == 200

    child.kill()
    child.wait(5)

    (line,) = ledger.read_text().splitlines()
    assert json.loads(line)["reference"] == "a"


@pytest.mark.parametrize("path", ["/v25.0/me/messages", "/control/pages", "/phone/1/2"])
def test_a_client_that_leaves_in_the_middle_of_its_body_ends_quietly(process, path):
    child, url, _ = process
    send(url, "sb1:a:1")
    where = httpx.URL(url)
    with socket.create_connection((where.host, where.port)) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b'{"recipient":')
    with httpx.Client(base_url=url, trust_env=False) as http:
        end = time.monotonic() + 5
        while path.startswith("/v25.0") and "disconnected" not in counted(http)["send"]:
            assert time.monotonic() < end, counted(http)
        assert http.get("/control/health").status_code == 200
        by_op = counted(http)

    child.send_signal(signal.SIGTERM)

    assert child.wait(5) == 0
    assert child.stderr.read() == ""
    assert by_op == {"send": {"200": 1} | ({"disconnected": 1} if path.startswith("/v25.0") else {})}


def counted(http: httpx.Client) -> dict:
    return http.get("/control/calls").json()["by_op"]
