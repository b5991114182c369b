"""X behind the stand-in's frame: routes, phones, state."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from standin.jsonish import BadBody, Json, as_dict
from standin.plugin import Line, Thread
from standin.runtime import Runtime
from standin.stored import built
from standin.x import hooks, media, messages, oauth
from standin.x.control import control_routes
from standin.x.core import X
from standin.x.people import deed, thread
from standin.x.state import Memory
from standin.x.wire import Call, Handler, answer, route

AAA = "/2/account_activity/webhooks/{hook}/subscriptions"
CALLS: tuple[tuple[str, str, str, Handler], ...] = (
    ("oauth", "GET", "/i/oauth2/authorize", oauth.dialogue),
    ("oauth", "POST", "/i/oauth2/authorize", oauth.dialogue),
    ("oauth", "POST", "/2/oauth2/revoke", oauth.revoke),
    ("accounts", "GET", "/2/users/me", oauth.me),
    ("profile", "GET", "/2/users/{user}", messages.one_user),
    ("send", "POST", "/2/dm_conversations/with/{participant}/messages", messages.send_to_person),
    ("send", "POST", "/2/dm_conversations/{conversation}/messages", messages.send_to_conversation),
    ("send", "POST", "/2/dm_conversations", messages.create_group),
    ("media", "GET", "/2/dm_conversations/media/{dm}/{media}/{resource}", messages.download),
    ("list", "GET", "/2/dm_conversations/with/{participant}/dm_events", messages.list_events),
    ("list", "GET", "/2/dm_conversations/{conversation}/dm_events", messages.list_events),
    ("list", "GET", "/2/dm_events", messages.list_events),
    ("list", "GET", "/2/dm_events/{event}", messages.one_event),
    ("unsend", "DELETE", "/2/dm_events/{event}", messages.delete_event),
    ("upload", "POST", "/2/media/upload", media.command),
    ("upload", "GET", "/2/media/upload", media.status),
    ("upload", "POST", "/2/media/upload/initialize", media.initialize),
    ("upload", "POST", "/2/media/upload/{media}/append", media.append),
    ("upload", "POST", "/2/media/upload/{media}/finalize", media.finalize),
    ("subscribe", "POST", "/2/webhooks", hooks.register),
    ("subscribe", "GET", "/2/webhooks", hooks.listed),
    ("subscribe", "POST", "/2/webhooks/replay", hooks.replay),
    ("subscribe", "PUT", "/2/webhooks/{hook}", hooks.validate),
    ("subscribe", "DELETE", "/2/webhooks/{hook}", hooks.delete),
    ("subscribe", "POST", f"{AAA}/all", hooks.subscribe_account),
    ("subscribe", "GET", f"{AAA}/all", hooks.is_subscribed),
    ("subscribe", "DELETE", f"{AAA}/{{user}}/all", hooks.unsubscribe_account),
    ("subscribe", "POST", "/2/activity/subscriptions", hooks.subscribe_activity),
    ("subscribe", "GET", "/2/activity/subscriptions", hooks.activities),
    ("subscribe", "DELETE", "/2/activity/subscriptions/{subscription}", hooks.unsubscribe_activity),
)


class XPlugin:
    """X as one platform of this stand-in."""

    name = "x"

    def __init__(self, run: Runtime) -> None:
        self._x = X(run)

    @property
    def pending(self) -> int:
        """How many webhooks wait or are on their way."""
        return self._x.posting.pending

    def routes(self) -> Sequence[BaseRoute]:
        """The documented calls."""
        return [
            Route("/x/2/oauth2/token", self._token, methods=["POST"]),
            *(route(self._x, op, method, path, handler) for op, method, path, handler in CALLS),
        ]

    def control_routes(self) -> Sequence[BaseRoute]:
        """Calls of tests and the demo."""
        return control_routes(self._x)

    def threads(self) -> list[Thread]:
        """All conversations of two, an account on one side."""
        memory, found = self._x.memory, {}
        for dm in memory.dms.values():
            for account in dm.participants if len(dm.participants) == 2 else ():
                person = next(one for one in dm.participants if one != account)
                if memory.user(account).is_account:
                    title = f"{memory.user(person).name} writes to {memory.user(account).name}"
                    found[account, person] = Thread(account, person, title)
        return list(found.values())

    def lines(self, account: str, person: str) -> list[Line] | None:
        """What the person's phone shows; None for an account that is not there."""
        user = self._x.memory.users.get(account)
        if user is None or not user.is_account:
            return None
        seen = [dm for dm in thread(self._x, account, person) if person not in dm.hidden]
        words = [(dm, (dm.text or "") + ("\n[media]" if dm.media is not None else "")) for dm in seen]
        return [Line(dm.sender == person, text, dm.created_ms) for dm, text in words]

    def write(self, account: str, person: str, text: str) -> None:
        """Write to the account as that person."""
        memory = self._x.memory
        deed(self._x, memory.user(account), memory.user(person), "message", {"text": text}, silent=False)

    def reset(self, keep_app: bool) -> None:
        """Forget everything; without `keep_app` the configuration of the start is back too."""
        self._x.forget(keep_app)

    def dumped(self) -> Json:
        """What a later process must know, as JSON."""
        x = self._x
        return {"memory": x.memory, "callback_url": x.callback_url, "redirect_uris": x.redirect_uris}

    def load(self, stored: Json) -> None:
        """Take over what `dumped` gave; `BadBody` leaves everything as it is. A configured callback wins over the stored one."""
        if not stored:
            return
        memory = built(Memory, as_dict(stored.get("memory")))
        uris, callback = stored.get("redirect_uris"), stored.get("callback_url")
        if not isinstance(uris, list) or not isinstance(callback, str | None):
            raise BadBody("redirect_uris must be a list and callback_url text")
        self._x.memory = memory
        self._x.callback_url = self._x.callback_url or callback
        self._x.redirect_uris = [str(uri) for uri in uris]

    async def stop(self) -> None:
        """Close connections."""
        await self._x.posting.stop()

    async def _token(self, request: Request) -> Response:
        """One endpoint, two operations of the fault plan: codes are `oauth`, refresh tokens `refresh`."""
        is_refresh = b"grant_type=refresh_token" in await request.body()
        call = Call(self._x, request, "refresh" if is_refresh else "oauth")
        return await answer(call, oauth.refresh if is_refresh else oauth.token)
