"""A taken port is stepped over, the preferred one is used again as soon as it is free."""

from __future__ import annotations

import socket

import pytest

from switchboard.ports import NoFreePort, free_port


def test_a_taken_port_is_stepped_over_and_a_free_one_is_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) > port

    assert free_port(port) == port


def test_a_port_promised_to_somebody_else_is_stepped_over() -> None:
    port = free_port(20_000)

    assert free_port(port, avoid=frozenset({port})) > port


def test_the_end_of_the_ports_is_an_error_and_not_a_wrong_number() -> None:
    with pytest.raises(NoFreePort):
        free_port(65_535, avoid=frozenset({65_535}))
