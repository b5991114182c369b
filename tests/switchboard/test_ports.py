"""A taken port is stepped over; one that was found is kept, and nobody else can have it meanwhile."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from switchboard.ports import NoFreePort, listen_from, port_of
from switchboard.services import open_doors

REUSE = (socket.SO_REUSEADDR, socket.SO_REUSEPORT)


def test_a_taken_port_is_stepped_over_and_a_free_one_is_kept() -> None:
    with listen_from(20_000) as first:
        port = port_of(first)
        with listen_from(port) as second:
            assert port_of(second) > port

    with listen_from(port) as again:
        assert port_of(again) == port


def test_two_starts_at_once_choose_different_ports() -> None:
    with ExitStack() as stack:
        doors = [stack.enter_context(open_doors()) for _ in range(5)]

        found = [port_of(door) for pair in doors for door in (pair.api, pair.standin)]

    assert len(set(found)) == 10


def take(stranger: socket.socket, host: str, port: int) -> None:
    stranger.bind((host, port))
    stranger.listen()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("options", [(), (REUSE[0],), (REUSE[1],), REUSE])
def test_nobody_can_listen_on_a_found_port_whatever_they_allow(options: tuple[int, ...], host: str) -> None:
    with listen_from(20_000) as ours, socket.socket() as stranger:
        for option in options:
            stranger.setsockopt(socket.SOL_SOCKET, option, 1)

        with pytest.raises(OSError, match="in use"):
            take(stranger, host, port_of(ours))


def test_who_is_only_bound_to_a_port_does_not_share_it_either() -> None:
    """Two sockets may be bound to one port as long as neither listens: both starts would believe that they have it."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        with listen_from(bound.getsockname()[1]) as ours:
            if port_of(ours) == bound.getsockname()[1]:
                with pytest.raises(OSError, match="in use"):
                    bound.listen()


def test_a_connection_waits_for_whoever_accepts_it_later() -> None:
    with listen_from(20_000) as ours, socket.create_connection(ours.getsockname(), timeout=5) as early:
        early.sendall(b"hello")
        accepted, _ = ours.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"


def test_the_end_of_the_ports_is_an_error_and_not_a_wrong_number() -> None:
    with pytest.raises(NoFreePort):
        listen_from(65_536)
