"""A process that logs secrets in every way it can think of; what it prints is read by the test."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass

from server.kit import log


@dataclass(frozen=True, slots=True)
class Grant:
    """A value that nobody should log, and somebody will."""

    page: str
    access_token: str


def talk(canary: str) -> None:
    """Say the canary in names, values, addresses, containers, objects and tracebacks, through both kinds of logger."""
    log.configure()
    logger, foreign = log.get("ours"), logging.getLogger("theirs")
    bearer = f"swb_pat_0a1b2c_{canary}"
    for name in (
        "token",
        "page_token",
        "client_secret",
        "password",
        "Authorization",
        "set_cookie",
        "pepper",
        "api_key",
    ):
        logger.info("by name", **{name: canary})
        foreign.info("by name", extra={name: canary})
    logger.info(f"asked with Bearer {bearer}")
    foreign.info("asked with Bearer %s, then %s", canary, bearer)
    logger.info("url", url=f"https://graph.test/v1/me?fields=id&access_token={canary}&x=1")
    logger.info("url", url=f"https://app.test/oauth/messenger/callback?code={canary}&state=1")
    logger.info("url", url=f"https://graph.test/oauth?client_id=1&client_secret={canary}")
    logger.info("dsn", dsn=f"postgresql://owner:{canary}@127.0.0.1/db", broker=f"redis://:{canary}@127.0.0.1")
    logger.info("dsn", dsn=f"host=/tmp user=owner password={canary} dbname=db")
    logger.info("body", body=f'{{"id": "1", "access_token": "{canary}"}}')
    logger.info("body", body=f'{{"id":"1","access_token":"{canary}"}}'.encode())
    logger.info("headers", headers={"authorization": canary, "x-hub-signature-256": canary, "host": "graph.test"})
    logger.info("nested", request={"steps": [{"headers": ({"Cookie": canary}, f"token={canary}")}]})
    logger.info("object", grant=Grant("page", canary), repr=repr(Grant("page", canary)), many={Grant("page", canary)})
    logger.info("odd keys", table={1: {("a", "b"): f"access_token={canary}"}})
    _fail(canary)
    logger.info("odd values", big=2**80, half="\ud800", page="visible", attempts=3)


def _fail(canary: str) -> None:
    logger, foreign = log.get("ours"), logging.getLogger("theirs")
    try:
        try:
            raise ValueError(f"refused: access_token={canary}")
        except ValueError as error:
            raise RuntimeError(f"cannot connect to postgresql://owner:{canary}@127.0.0.1/db") from error
    except RuntimeError as error:
        logger.exception("failed", error=error)
        foreign.exception("failed with %s", error)
        logger.warning("failed", error=str(error), exc_info=True)


if __name__ == "__main__":
    talk(sys.argv[1])
