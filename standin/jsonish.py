"""Reads values out of decoded JSON whose shape is not trusted. Knows nothing of Meta."""

import orjson

Json = dict[str, object]


class BadBody(ValueError):
    """A body of the control API that does not say what it should; answered with 422."""


def loads(raw: bytes | str) -> object:
    """Decode JSON; `BadBody` when it is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadBody(f"not JSON: {error}") from None


def as_dict(value: object) -> Json | None:
    """The value when it is an object, else None."""
    return value if isinstance(value, dict) else None


def as_list(value: object) -> list[object] | None:
    """The value when it is an array, else None."""
    return value if isinstance(value, list) else None


def text_or_none(body: Json, key: str) -> str | None:
    """A string or a number as text; None when absent; `BadBody` otherwise."""
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadBody(f"{key} must be text")
    return str(value)


def text(body: Json, key: str, default: str | None = None) -> str:
    """As `text_or_none`, with a default; `BadBody` when it is missing and has none."""
    value = text_or_none(body, key)
    if value is not None:
        return value
    if default is None:
        raise BadBody(f"{key} is required")
    return default


def number_or_none(body: Json, key: str) -> float | None:
    """A number, None when absent, `BadBody` otherwise."""
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBody(f"{key} must be a number")
    return float(value)


def whole_or_none(body: Json, key: str) -> int | None:
    """A whole number, None when absent, `BadBody` otherwise."""
    value = number_or_none(body, key)
    return None if value is None else int(value)


def texts(body: Json, key: str) -> list[str]:
    """A list of texts; empty when absent; `BadBody` otherwise."""
    value = body.get(key)
    if value is None:
        return []
    items = as_list(value)
    if items is None or not all(isinstance(item, str) for item in items):
        raise BadBody(f"{key} must be a list of texts")
    return [str(item) for item in items]


def objects(value: object) -> list[Json]:
    """A list of objects, or one object as a list of one; `BadBody` otherwise."""
    items = value if isinstance(value, list) else [value]
    found = [item for item in items if isinstance(item, dict)]
    if len(found) != len(items):
        raise BadBody("an object or a list of objects is required")
    return found
