"""Structured logs on standard output, one JSON object a line, from which every secret is struck."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
import structlog

_SECRET_NAMES = re.compile(
    r"token|secret|password|passwd|authorization|cookie|pepper|signature|api_?key|credential|^code$|^keys$",
    re.IGNORECASE,
)
_SECRET_VALUES = re.compile(
    r"""swb_[a-z]+_[0-9a-z]+_[0-9A-Za-z_-]{16,}
    | (?<=://)[^/\s:@]*:[^@\s/]+(?=@)                          # the user and password of an address
    | (?<=Bearer\ )[^\s"'\\,;]+ | (?<=Basic\ )[^\s"'\\,;]+
    | (?P<name>(?:[?&]code=                                   # the code of an OAuth redirect
        | [\w-]*(?:token|secret|password|passwd|pepper|signature(?:-256)?|appsecret_proof|api_?key|credential|cookie)
          (?:=["']? | \\?["']\s*:\s*\\?["'])                   # name=value, and as JSON or a Python repr
      ))[^&\s"'\\,;)}\]]+""",
    re.IGNORECASE | re.VERBOSE,
)
_STRUCK = "[struck]"
_PLAIN = (bool, int, float, UUID, datetime, date, type(None))


def strike(value: object) -> object:
    """Return `value` with everything that looks like a secret replaced; containers are walked, objects become text."""
    if isinstance(value, str):
        return _SECRET_VALUES.sub(lambda found: (found["name"] or "") + _STRUCK, value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(key): _STRUCK if _SECRET_NAMES.search(str(key)) else strike(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [strike(item) for item in value]
    if isinstance(value, bytes):
        return strike(value.decode(errors="replace"))
    return strike(str(value))


def _strike_all(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:  # structlog's own signature
    for key, value in event.items():
        event[key] = _STRUCK if _SECRET_NAMES.search(key) else strike(value)
    return event


def _to_json(event: object, **_options: object) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:  # half a surrogate pair, or a number beyond 64 bits: no record is lost for it
        return json.dumps(event, default=str)


class _StandardOutput(logging.Handler):
    """Writes to what is standard output now, so that a redirection after the start is followed."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        sys.stdout.write(self.format(record) + "\n")
        sys.stdout.flush()


def configure(level: str = "INFO") -> None:
    """Send our own and every library's records through one chain that strikes secrets, also out of tracebacks."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _strike_all,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = _StandardOutput()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _strike_all,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "strawberry.execution"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of one module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
