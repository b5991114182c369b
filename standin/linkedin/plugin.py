"""LinkedIn beside Messenger: its wire below /linkedin, its control calls, and the phones of people who comment."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from standin.jsonish import Json
from standin.linkedin import acting, comments, oauth, organizations
from standin.linkedin.control import Control
from standin.linkedin.notices import Notices
from standin.linkedin.state import NAME, Network, Stored
from standin.linkedin.wire import Call, Parties, Refusal, Work, respond, serve
from standin.plugin import Line, Thread
from standin.runtime import Runtime
from standin.stored import built

COMMENTS = "/rest/socialActions/{urn}/comments"
SUBSCRIPTION = "/rest/eventSubscriptions/{key}"


class LinkedIn:
    """The plugin."""

    name = NAME

    def __init__(self, run: Runtime) -> None:
        self._net = Network(run)
        self._notices = Notices(self._net)
        self._control = Control(self._net, self._notices)

    @property
    def pending(self) -> int:
        """How many notifications wait, are on their way or come again."""
        return self._notices.posting.pending

    def routes(self) -> Sequence[BaseRoute]:
        """LinkedIn's own calls."""
        return [
            self._bare("/oauth/v2/authorization", oauth.dialogue, "GET", "POST"),
            self._bare("/oauth/v2/accessToken", oauth.access_token, "POST"),
            self._call("/v2/userinfo", "GET", "profile", oauth.userinfo),
            self._call("/v2/messages", "POST", "send", comments.write_message, comments.parties),
            self._call(COMMENTS, "POST", "send", self._write, comments.parties),
            self._call(COMMENTS, "GET", "list", comments.read_all),
            self._call(f"{COMMENTS}/{{id}}", "GET", "list", comments.read_one),
            self._call("/rest/organizationalEntityAcls", "GET", "accounts", organizations.acls),
            self._call("/rest/organizations/{id}", "GET", "accounts", organizations.organization),
            self._call(
                "/rest/organizationalEntityNotifications",
                "GET",
                "list",
                organizations.notifications,
                organizations.entity_of,
            ),
            self._call("/rest/eventSubscriptions", "GET", "subscribe", organizations.subscriptions),
            self._call(SUBSCRIPTION, "PUT", "subscribe", self._subscribe, organizations.entity_of),
            self._call(SUBSCRIPTION, "GET", "subscribe", organizations.subscription, organizations.entity_of),
            self._call(SUBSCRIPTION, "DELETE", "subscribe", organizations.unsubscribe, organizations.entity_of),
            Route(f"/{NAME}/{{path:path}}", _nothing, methods=["GET", "POST", "PUT", "DELETE"]),
        ]

    def control_routes(self) -> Sequence[BaseRoute]:
        """Calls of tests and the demo."""
        return self._control.routes()

    def threads(self) -> list[Thread]:
        """Who commented on whose posts."""
        kept, found = self._net.kept, dict[tuple[str, str], Thread]()
        for comment in kept.comments.values():
            owner = kept.posts[comment.post].owner
            if comment.actor != owner and comment.actor in kept.people and owner in kept.organizations:
                title = f"{kept.people[comment.actor].name} comments on {kept.organizations[owner].name}"
                found[owner, comment.actor] = Thread(owner, comment.actor, title)
        return list(found.values())

    def lines(self, account: str, person: str) -> list[Line] | None:
        """The person's comments on the organisation's posts, and what it replied to them."""
        kept = self._net.kept
        if account not in kept.organizations:
            return None
        own = {
            one.id for one in kept.comments.values() if one.actor == person and kept.posts[one.post].owner == account
        }
        shown = [one for one in kept.comments.values() if one.id in own or (one.actor == account and one.parent in own)]
        return [
            Line(one.actor == person, "(deleted)" if one.is_deleted else one.text, one.created_ms)
            for one in sorted(shown, key=lambda one: one.created_ms)
        ]

    def write(self, account: str, person: str, text: str) -> None:
        """Comment on the organisation's newest post as that person."""
        given: Json = {"organization": account, "text": text}
        acting.do(self._net, self._notices, person, "comment", given, is_silent=False)

    def reset(self, keep_app: bool) -> None:
        """Forget everything; without `keep_app` the settings of the start are back too."""
        self._notices.forget()
        self._net.forget(keep_app)

    def dumped(self) -> Json:
        """What a later process must know."""
        return asdict(self._net.kept)

    def load(self, stored: Json) -> None:
        """Take over what `dumped` gave; `BadBody` leaves everything as it is."""
        if stored:
            self._net.kept = built(Stored, stored)

    async def stop(self) -> None:
        """Close connections."""
        await self._notices.stop()

    async def _write(self, call: Call) -> Response:
        return await comments.write(call, self._notices)

    async def _subscribe(self, call: Call) -> Response:
        return await organizations.subscribe(call, self._notices)

    def _call(self, path: str, method: str, op: str, work: Work, parties: Parties | None = None) -> Route:
        async def endpoint(request: Request) -> Response:
            return await serve(self._net, request, op, work, parties or _nobody)

        return Route(f"/{NAME}{path}", endpoint, methods=[method])

    def _bare(self, path: str, work: Callable[[Network, Request], Awaitable[Response]], *methods: str) -> Route:
        async def endpoint(request: Request) -> Response:
            return await work(self._net, request)

        return Route(f"/{NAME}{path}", endpoint, methods=list(methods))


async def _nothing(_request: Request) -> Response:
    return respond(Refusal(404, "No virtual resource found", "NOT_FOUND").body(), 404)


def _nobody(_call: Call) -> tuple[str | None, str | None]:
    return None, None
