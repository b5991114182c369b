"""What somebody else's address can make us do: fetch from the public internet, and nothing else (reliability.md G42)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product

import pytest

from server.platforms.wire.fetch import Fetcher, FetchFailed, Refused, is_public

INSIDE = (
    *(
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
    ),
    *(
        "127.255.255.254",
        "0.0.0.0",
        "0",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
    ),
    *("172.31.255.255", "192.168.0.1", "192.168.1.1", "169.254.169.254", "2852039166", "0xa9fea9fe", "169.254.0.1"),
    *("100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"),
    *(
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:10.0.0.1]",
        "[::127.0.0.1]",
    ),
    *("[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::]", "[fe80::1]", "[fc00::1]"),
    *("[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]", "[2001:0:7f00:1::80ff:fffe]", "[0:0:0:0:0:ffff:7f00:0001]"),
)
TRICKS = (
    "http://127.0.0.1@example.org/",
    "https://user:secret@example.org/",
    "https://example.org@127.0.0.1/",
    "https://example.org:22/",
    "https://example.org:8443/",
    "http://example.org/",
    "https://example.org%00.evil.example/",
    "https://[fe80::1%25lo]/",
    "https://[::1%lo]/",
    "https://exa mple.org/",
    "https://example.org\\@127.0.0.1/",
    "https://example.org/\r\nHost: 127.0.0.1",
    "https:///etc/passwd",
    "https://",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stat",
    "unix:/var/run/docker.sock",
    "data:text/html,hello",
    "javascript:alert(1)",
    "https://①②⑦.⓪.⓪.①/",
    "https://ⓛocalhost/",
    "https://localhost\u3002/",
    "https://127。0。0。1/",
    "https://[::1/",
    "https://1.2.3.4.5.6/",
    "https://" + "a" * 9_000,
    "",
)


@asynccontextmanager
async def canary() -> AsyncIterator[tuple[int, list[str]]]:
    """Listen on a port of this machine and note who comes."""
    came: list[str] = []

    async def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(str(writer.get_extra_info("peername")))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 2\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(note, "0.0.0.0", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield port, came
    finally:
        server.close()


async def refused(fetcher: Fetcher, url: str) -> str:
    try:
        await fetcher.fetch(url, max_bytes=1_000, deadline_s=3)
    except Refused:
        return "refused"
    except FetchFailed as failed:
        return f"failed: {failed}"
    return "fetched"


async def test_no_address_of_our_own_network_is_ever_reached() -> None:
    async with canary() as (port, came):
        # Every scheme may name the canary's port here, so that the addresses alone keep us out.
        fetcher = Fetcher(ports={"https": port, "http": port})
        urls = [
            f"{scheme}://{host}:{port}{path}"
            for scheme, host, path in product(("http", "https"), INSIDE, ("/", "/a?b#c"))
        ]

        told = {url: await refused(fetcher, url) for url in urls}

        await fetcher.aclose()
    assert len(urls) >= 150
    assert [url for url, what in told.items() if what == "fetched"] == []
    assert came == []


@pytest.mark.parametrize("url", TRICKS)
async def test_an_address_with_a_trick_is_refused_before_anybody_is_asked(url: str) -> None:
    asked: list[str] = []

    async def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    fetcher = Fetcher(resolver=resolver)

    assert await refused(fetcher, url) == "refused"
    await fetcher.aclose()


async def test_a_name_that_changes_its_mind_is_asked_once_and_the_vetted_address_is_used() -> None:
    async with canary() as (port, came):
        answers = iter([["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])

        async def rebinding(_host: str, _port: int) -> list[str]:
            return next(answers)

        fetcher = Fetcher(ports={"http": port}, resolver=rebinding)

        first = await refused(fetcher, f"http://rebind.example:{port}/")
        second = await refused(fetcher, f"http://rebind.example:{port}/")

        await fetcher.aclose()
    assert first.startswith("failed")  # the public address is not ours to reach from here, and nothing else was tried
    assert second == "refused"
    assert came == []


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    async def resolver(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    fetcher = Fetcher(resolver=resolver)

    assert await refused(fetcher, "https://mixed.example/") == "refused"
    await fetcher.aclose()


async def test_a_place_that_the_operator_trusts_is_fetched_from() -> None:
    async with canary() as (port, came):
        fetcher = Fetcher([f"127.0.0.1:{port}"])

        fetched = await fetcher.fetch(f"http://127.0.0.1:{port}/a.png", max_bytes=10, deadline_s=3)

        await fetcher.aclose()
    assert (fetched.content, fetched.media_type, len(came)) == (b"hi", "image/png", 1)


async def test_a_redirect_is_no_content_and_is_not_followed() -> None:
    async with canary() as (port, came):

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:{port}/\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(redirect, "127.0.0.1", 0)
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        fetcher = Fetcher([place])

        with pytest.raises(FetchFailed, match="302"):
            await fetcher.fetch(f"http://{place}/", max_bytes=10, deadline_s=3)

        await fetcher.aclose()
        server.close()
    assert came == []


async def test_what_is_too_large_or_too_slow_is_given_up() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        slow = b"slow" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b"x" * (1 if slow else 10_000))
                await writer.drain()
                await asyncio.sleep(0.05 if slow else 0)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    fetcher = Fetcher([place])

    with pytest.raises(FetchFailed, match="larger"):
        await fetcher.fetch(f"http://{place}/", max_bytes=100_000, deadline_s=3)
    with pytest.raises(FetchFailed, match="deadline"):
        await fetcher.fetch(f"http://{place}/slow", max_bytes=100_000, deadline_s=0.3)

    await fetcher.aclose()
    server.close()


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_public_internet_are_public(address: str) -> None:
    assert is_public(address)
