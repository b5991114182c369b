"""Files that the platform fetches by their address before it takes a message or an upload (platforms.md 2.1 and 2.3)."""

from urllib.parse import urlsplit

import httpx

from standin.errors import bad_parameter
from standin.graph import Call

MAX_BYTES = 25_000_000
# A stand-in never leaves the machine: an address elsewhere is one that does not answer.
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


async def fetch(call: Call, kind: str, url: str) -> int:
    """Fetch a file and return its size; error 100 with the documented subcode when it cannot be had or is unfit.

    2018008: it does not answer with 200 in time. 2018047: its type does not fit. 2018109: larger than 25 MB.
    """
    try:
        if urlsplit(url).hostname not in LOOPBACK:
            raise bad_parameter("Failed to fetch the file from the url", 2018008)
        async with call.run.webhooks.stream(url, call.run.world.config.media_fetch_s) as answer:
            if answer.status_code != 200:
                raise bad_parameter("Failed to fetch the file from the url", 2018008)
            family = answer.headers.get("content-type", "").partition("/")[0].lower()
            if kind not in ("file", family):
                raise bad_parameter(f"Incorrect type of the file at the url: not {kind}", 2018047)
            size = 0
            async for chunk in answer.aiter_raw():
                size += len(chunk)
                if size > MAX_BYTES:
                    raise bad_parameter("Attachment size exceeds allowable limit (25MB)", 2018109)
            return size
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        raise bad_parameter("Failed to fetch the file from the url", 2018008) from None
