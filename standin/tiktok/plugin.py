"""TikTok as a part of the stand-in: routes, phones, and what is kept over restarts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from standin.jsonish import Json
from standin.plugin import Line, Thread
from standin.runtime import Runtime
from standin.stored import built
from standin.tiktok import media, messages, oauth, reading, subscriptions
from standin.tiktok.control import routes as control_routes
from standin.tiktok.customers import deed
from standin.tiktok.hooks import COMMENTS, MESSAGES, Hooks
from standin.tiktok.state import Memory, Message
from standin.tiktok.wire import Handler, OpOf, TikTok, serve

API = "/tiktok/open_api/v1.3"
DIALOGUE = "/tiktok/v2/auth/authorize"


def _always(op: str) -> OpOf:
    return lambda _body: op


CALLS: tuple[tuple[str, str, OpOf, Handler], ...] = (
    ("POST", "tt_user/oauth2/token", _always("oauth"), oauth.token),
    ("POST", "tt_user/oauth2/refresh_token", _always("refresh"), oauth.refresh),
    ("POST", "tt_user/oauth2/revoke", _always("oauth"), oauth.revoke),
    ("POST", "tt_user/token_info/get", _always("debug_token"), oauth.token_info),
    ("GET", "business/get", _always("accounts"), reading.business),
    ("POST", "business/message/send", messages.op_of, messages.send),
    ("GET", "business/message/conversation/list", _always("list"), reading.conversations),
    ("GET", "business/message/content/list", _always("list"), reading.contents),
    ("GET", "business/message/capabilities/get", _always("media"), reading.capabilities),
    ("POST", "business/message/media/upload", _always("upload"), media.upload),
    ("POST", "business/message/media/download", _always("media"), media.download),
    ("POST", "business/webhook/update", _always("subscribe"), subscriptions.update),
    ("GET", "business/webhook/list", _always("subscribe"), subscriptions.listed),
    ("POST", "business/webhook/delete", _always("subscribe"), subscriptions.delete),
)


class TikTokPlugin:
    """One of each stand-in."""

    name = "tiktok"

    def __init__(self, run: Runtime) -> None:
        memory = Memory()
        self._tiktok = TikTok(run, memory, Hooks(run, memory))
        self._start_over()

    @property
    def pending(self) -> int:
        """How many webhooks wait, are on their way or come again."""
        return self._tiktok.hooks.pending

    def routes(self) -> Sequence[BaseRoute]:
        """The business API, whose paths end with a slash, the dialogue, and the addresses of media."""
        calls = [
            Route(f"{API}/{path}/", self._endpoint(op_of, handler), methods=[method])
            for method, path, op_of, handler in CALLS
        ]
        dialogue = self._plain(oauth.dialogue)
        return [
            *calls,
            Route(DIALOGUE, dialogue, methods=["GET", "POST"]),
            Route(f"{DIALOGUE}/", dialogue, methods=["GET", "POST"]),
            Route("/tiktok/media/{media:path}", self._plain(media.content), methods=["GET"]),
        ]

    def control_routes(self) -> Sequence[BaseRoute]:
        """Calls of tests and the demo."""
        return control_routes(self._tiktok)

    def threads(self) -> list[Thread]:
        """All conversations."""
        return [
            Thread(account.id, thread.person, f"{account.person(thread.person).username} to {account.display_name}")
            for account in self._tiktok.memory.accounts.values()
            for thread in account.conversations.values()
        ]

    def lines(self, account: str, person: str) -> list[Line] | None:
        """What the person's phone shows."""
        found = self._tiktok.memory.accounts.get(account)
        if found is None:
            return None
        thread = found.conversation_of(person)
        return [_line(message) for message in (thread.messages if thread is not None else [])]

    def write(self, account: str, person: str, text: str) -> None:
        """Write to the account as that person."""
        deed(self._tiktok, self._tiktok.memory.accounts[account], person, "message", {"text": text}, silent=False)

    def reset(self, keep_app: bool) -> None:
        """Forget everything; the app's webhooks and settings stay with `keep_app`."""
        memory = self._tiktok.memory
        self._tiktok.hooks.forget()
        for kept in (memory.accounts, memory.comments, memory.media, memory.tokens, memory.codes):
            kept.clear()
        if not keep_app:
            self._start_over()

    def dumped(self) -> Json:
        """Everything but what belongs to this process."""
        stored = asdict(self._tiktok.memory)
        for account in stored["accounts"].values():
            account.pop("windows")
        return stored

    def load(self, stored: Json) -> None:
        """Take over what `dumped` gave; a callback of the command line wins over the stored ones."""
        if not stored:
            return
        loaded = built(Memory, stored)
        memory = self._tiktok.memory
        memory.settings = loaded.settings
        memory.webhooks = loaded.webhooks | memory.webhooks
        memory.accounts, memory.comments = loaded.accounts, loaded.comments
        memory.media, memory.tokens, memory.codes = loaded.media, loaded.tokens, loaded.codes
        memory.last_number = loaded.last_number + 1_000_000

    async def stop(self) -> None:
        """Close connections."""
        await self._tiktok.hooks.stop()

    def _start_over(self) -> None:
        fresh = Memory()
        memory = self._tiktok.memory
        memory.settings, memory.webhooks = fresh.settings, fresh.webhooks
        given = self._tiktok.run.world.config.apps.get("tiktok", {}).get("callback_url")
        if isinstance(given, str):
            memory.webhooks |= {MESSAGES: given, COMMENTS: given}

    def _endpoint(self, op_of: OpOf, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await serve(self._tiktok, request, op_of, handler)

        return endpoint

    def _plain(
        self, work: Callable[[TikTok, Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await work(self._tiktok, request)

        return endpoint


def _line(message: Message) -> Line:
    hearts = "".join(reaction.emoji for reaction in message.reactions)
    shown = message.text or f"[{message.type}]"
    return Line(not message.from_account, f"{shown} {hearts}".rstrip(), message.timestamp)
