"""What all parts of this X share: its memory, its app, and the sender of its webhooks."""

from dataclasses import replace

from standin.jsonish import Json
from standin.posting import Posting
from standin.runtime import Runtime
from standin.x.dialect import XDialect
from standin.x.state import Memory


class X:
    """One X. `memory` is replaced by a reset, so nobody keeps it."""

    def __init__(self, run: Runtime) -> None:
        self.run = run
        self.memory = Memory()
        self.callback_url = _text_or_none(self._app().get("callback_url"))
        self.redirect_uris: list[str] = []
        self.posting = Posting(run.world, run.faults, XDialect(lambda: self.memory.settings, self.app))

    def app(self, name: str) -> str:
        """One of the app's values as the configuration has it."""
        return str(self._app().get(name, ""))

    def now_ms(self) -> int:
        """The stand-in's clock."""
        return self.run.world.now_ms()

    def new_id(self) -> str:
        """A fresh id of this moment."""
        return self.memory.new_id(self.now_ms())

    def forget(self, keep_app: bool) -> None:
        """Drop everything; without `keep_app` the configuration of the start is back too."""
        self.posting.forget()
        settings, sequence = self.memory.settings, self.memory.sequence
        self.memory = Memory(sequence=sequence)
        if keep_app:
            self.memory.settings = replace(settings)
        else:
            self.callback_url = _text_or_none(self._app().get("callback_url"))
            self.redirect_uris = []

    def _app(self) -> Json:
        return self.run.world.config.apps.get("x", {})


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
