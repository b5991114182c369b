"""What the platform does by itself a little later."""

import asyncio
from collections.abc import Callable


class Timers:
    """Things that are planned; `cancel` forgets them all."""

    def __init__(self) -> None:
        self._handles: set[asyncio.TimerHandle] = set()

    def __len__(self) -> int:
        """How many have not happened yet."""
        return len(self._handles)

    def cancel(self) -> None:
        """Forget what was planned."""
        for handle in self._handles:
            handle.cancel()
        self._handles = set()

    def after(self, delay_s: float, act: Callable[[], None]) -> None:
        """Do it then."""

        def run() -> None:
            self._handles.discard(handle)
            act()

        handle = asyncio.get_running_loop().call_later(delay_s, run)
        self._handles.add(handle)
