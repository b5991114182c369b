"""The quotas of X: fixed windows that begin with their first call, told in headers on every answer (platforms.md 4.3)."""

from dataclasses import dataclass

from standin.x.errors import coded
from standin.x.state import User, Window
from standin.x.wire import Call

DAY_S = 86_400
GENEROUS = 900
QUARTER_S = 900


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` calls in `seconds`, counted under `name`; 0 means no limit."""

    name: str
    limit: int
    seconds: int
    header: str


def spend(call: Call, user: User, kind: str) -> None:
    """Count a call in every window it belongs to and set the headers; 429 if one of them is full already."""
    now_ms = call.x.now_ms()
    memory = call.x.memory
    windows = [(quota, user.windows) for quota in _of_user(call, kind)]
    windows += [(quota, memory.app_windows) for quota in _of_app(call, kind)]
    full = False
    for quota, kept in windows:
        window = _current(kept, quota, now_ms)
        full |= bool(quota.limit) and window.used >= quota.limit
    for quota, kept in windows:
        window = _current(kept, quota, now_ms)
        window.used += 0 if full else 1
        _tell(call, quota, window)
    if full:
        raise coded(88)


def _of_user(call: Call, kind: str) -> list[Quota]:
    settings = call.x.memory.settings
    if kind == "send":
        return [
            Quota(kind, settings.send_limit, settings.send_window_s, "x-rate-limit"),
            Quota("send-day", settings.user_day_limit, DAY_S, "x-user-limit-24hour"),
        ]
    limits = {"list": settings.list_limit, "delete": settings.delete_limit}
    return [Quota(kind, limits.get(kind, GENEROUS), QUARTER_S, "x-rate-limit")]


def _of_app(call: Call, kind: str) -> list[Quota]:
    if kind != "send":
        return []
    return [Quota("send-day", call.x.memory.settings.app_day_limit, DAY_S, "x-app-limit-24hour")]


def _current(kept: dict[str, Window], quota: Quota, now_ms: int) -> Window:
    found = kept.get(quota.name)
    if found is None or now_ms >= found.started_ms + quota.seconds * 1000 or now_ms < found.started_ms:
        found = kept[quota.name] = Window(now_ms)
    return found


def _tell(call: Call, quota: Quota, window: Window) -> None:
    limit = quota.limit or 1_000_000
    reset_s = -(-(window.started_ms + quota.seconds * 1000) // 1000)
    call.headers |= {
        f"{quota.header}-limit": str(limit),
        f"{quota.header}-remaining": str(max(0, limit - window.used)),
        f"{quota.header}-reset": str(reset_s),
    }
