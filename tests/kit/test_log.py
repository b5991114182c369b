"""Logs: nothing that looks like a secret leaves the process."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from server.kit.log import strike
from tests.architecture.source import ROOT

CANARY = "CaNaRy0123456789abcdefXYZ"


@cache
def _said() -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.kit.chatter", CANARY], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


def test_a_secret_is_struck_from_names_values_addresses_objects_and_tracebacks() -> None:
    out, err = _said()

    assert [line for line in (out + err).splitlines() if CANARY in line] == []
    assert out.count("[struck]") > 30
    assert err == ""


def test_every_record_is_one_line_of_json_and_keeps_what_is_no_secret() -> None:
    out, _ = _said()

    records = [json.loads(line) for line in out.splitlines()]

    last = records[-1]
    assert (last["page"], last["attempts"], last["event"], last["level"]) == ("visible", 3, "odd values", "info")
    assert {"ours", "theirs"} == {record["logger"] for record in records}
    assert all("timestamp" in record for record in records)


def test_a_traceback_says_where_it_happened_though_its_secrets_are_struck() -> None:
    out, _ = _said()

    failed = [json.loads(line) for line in out.splitlines() if "Traceback" in line]

    assert len(failed) == 3
    assert all("ValueError: refused: access_token=[struck]" in record["exception"] for record in failed)
    assert all("in _fail" in record["exception"] for record in failed)


@pytest.mark.parametrize(
    "text",
    [
        "a token of the page has expired",
        "the code is 1024 and the error_code=190",
        "https://app.test/inbox?after=abc&status=OPEN",
        "10:15:00@example.test",
        "worker ready",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert strike(text) == text


def test_striking_walks_containers_and_leaves_numbers_alone() -> None:
    assert strike({"a": [1, None, True, {"token": "x", "b": ("y",)}]}) == {
        "a": [1, None, True, {"token": "[struck]", "b": ["y"]}]
    }
