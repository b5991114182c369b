"""Structured logs on standard output, one JSON object a line, from which every secret is struck."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

_SECRET_NAMES = re.compile(
    r"token|secret|password|passwd|authorization|cookie|pepper|signature|api_?key|credential|^code$|^keys$",
    re.IGNORECASE,
)
_SECRET_VALUES = re.compile(
    r"swb_[a-z]+_[0-9a-z]+_[0-9A-Za-z_-]{16,}|(?<=Bearer )\S+|(?<=access_token=)[^&\s\"']+|(?<=://)[^/\s:@]+:[^@\s/]+(?=@)"
)
_STRUCK = "[struck]"


def strike(value: object) -> object:
    """Return `value` with everything that looks like a secret replaced; containers are walked."""
    if isinstance(value, str):
        return _SECRET_VALUES.sub(_STRUCK, value)
    if isinstance(value, dict):
        return {key: _STRUCK if _SECRET_NAMES.search(str(key)) else strike(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strike(item) for item in value]
    return value


def _strike_all(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:  # structlog's own signature
    for key, value in event.items():
        event[key] = _STRUCK if _SECRET_NAMES.search(key) else strike(value)
    return event


def _to_json(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=str).decode()


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
    handler = logging.StreamHandler(sys.stdout)
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
