"""How tests and the demo set LinkedIn up, act in it, break it and look at it: calls below /control/linkedin."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

import orjson
from starlette.requests import Request
from starlette.routing import BaseRoute

from standin.controlling import UnknownId, an_object, route
from standin.jsonish import BadBody, Json, as_list, objects, text, text_or_none, texts, whole_or_none
from standin.linkedin import acting
from standin.linkedin.notices import Notices, signed
from standin.linkedin.oauth import issue, refresh_token
from standin.linkedin.organizations import ADMINISTRATOR
from standin.linkedin.state import Network, Organization, Person, Post, Subscription, urn_of
from standin.posting import Event

ALL_SCOPES = [
    *("openid", "profile", "rw_organization_admin", "r_organization_social_feed", "w_organization_social_feed"),
    "w_messages",
]
Work = Callable[[Request, object], Awaitable[Json]]


class Control:
    """The control calls of LinkedIn."""

    def __init__(self, net: Network, notices: Notices) -> None:
        self._net = net
        self._notices = notices

    def routes(self) -> Sequence[BaseRoute]:
        """All routes below /control/linkedin."""
        return [
            route("/linkedin/app", self._set_app, "POST"),
            route("/linkedin/app", self._show_app, "GET"),
            route("/linkedin/people", self._people, "POST"),
            route("/linkedin/organizations", self._organizations, "POST"),
            route("/linkedin/organizations/{id}", self._show_organization, "GET"),
            route("/linkedin/organizations/{id}/roles", self._roles, "POST"),
            route("/linkedin/organizations/{id}/subscription", self._subscription, "POST"),
            route("/linkedin/posts", self._posts, "POST"),
            route("/linkedin/people/{person}/{deed}", self._deed, "POST"),
            route("/linkedin/events", self._events, "POST"),
            route("/linkedin/replay", self._replay, "POST"),
            route("/linkedin/hooks", self._hooks, "GET"),
            route("/linkedin/hooks/validate", self._validate, "POST"),
            route("/linkedin/webhooks", self._webhooks, "GET"),
        ]

    async def _set_app(self, _request: Request, body: object) -> Json:
        self._net.settings.apply(an_object(body))
        return asdict(self._net.settings)

    async def _show_app(self, _request: Request, _body: object) -> Json:
        return asdict(self._net.settings)

    async def _people(self, _request: Request, body: object) -> Json:
        for given in objects(body):
            person = acting.person(self._net, urn_of("person", text(given, "id")))
            person.name = text(given, "name", person.name)
        return {"people": list(self._net.kept.people)}

    async def _organizations(self, _request: Request, body: object) -> Json:
        return {"organizations": [self._organization(given) for given in objects(body)]}

    def _organization(self, given: Json) -> Json:
        net, name = self._net, urn_of("organization", text(given, "id"))
        admin = acting.person(
            net, urn_of("person", text_or_none(given, "person") or f"admin-{name.rpartition(':')[2]}")
        )
        roles = texts(given, "roles") or sorted(ADMINISTRATOR)
        found = net.kept.organizations.setdefault(name, Organization(name, text(given, "name", name)))
        found.name = text(given, "name", found.name)
        found.roles[admin.id] = roles
        admin.scopes = admin.scopes or texts(given, "scopes") or list(ALL_SCOPES)
        admin.consented_ms = admin.consented_ms or net.now_ms()
        token = issue(net, admin, admin.scopes, text_or_none(given, "access_token"))
        refresh = refresh_token(net, admin, admin.scopes, text_or_none(given, "refresh_token"))
        url = text_or_none(given, "callback_url") or text_or_none(net.app, "callback_url")
        if given.get("subscribed") is True and url is not None:
            self._subscribe(name, admin, url)
        return {"id": name, "person": admin.id, "access_token": token.value, "refresh_token": refresh.value}

    def _subscribe(self, organization: str, admin: Person, url: str) -> None:
        """Silently: the callback is not validated, so that a test's may be a plain one."""
        application = str(self._net.app.get("application_urn", ""))
        expires_ms = self._net.now_ms() + self._net.settings.subscription_s * 1000
        made = Subscription(application, admin.id, organization, url, expires_ms)
        self._net.kept.subscriptions[made.key] = made

    async def _show_organization(self, request: Request, _body: object) -> Json:
        name = self._known(request)
        kept = self._net.kept
        posts = [post for post in kept.posts.values() if post.owner == name]
        return {
            **asdict(kept.organizations[name]),
            "posts": [asdict(post) for post in posts],
            "comments": [asdict(one) for one in kept.comments.values() if one.post in {post.id for post in posts}],
            "subscriptions": [asdict(one) for one in kept.subscriptions.values() if one.entity == name],
        }

    async def _roles(self, request: Request, body: object) -> Json:
        name, given = self._known(request), an_object(body)
        self._net.kept.organizations[name].roles[urn_of("person", text(given, "person"))] = texts(given, "roles")
        return asdict(self._net.kept.organizations[name])

    async def _subscription(self, request: Request, body: object) -> Json:
        """Change when every subscription of the organisation ends: `expires_in_s` from now."""
        name, given = self._known(request), an_object(body)
        chosen = [one for one in self._net.kept.subscriptions.values() if one.entity == name]
        for one in chosen:
            one.expires_ms = self._net.now_ms() + (whole_or_none(given, "expires_in_s") or 0) * 1000
        return {"changed": len(chosen)}

    async def _posts(self, _request: Request, body: object) -> Json:
        made: list[Post] = []
        for given in objects(body):
            owner = urn_of("organization", text(given, "organization"))
            is_public = given.get("is_public") is not False
            made.append(acting.new_post(self._net, owner, text(given, "text", "A post"), is_public=is_public))
        return {"posts": [{"id": post.id, "activity": post.activity} for post in made]}

    async def _deed(self, request: Request, body: object) -> Json:
        person = urn_of("person", request.path_params["person"])
        is_silent = request.query_params.get("silent") == "1"
        return acting.do(self._net, self._notices, person, request.path_params["deed"], an_object(body), is_silent)

    async def _events(self, _request: Request, body: object) -> Json:
        """Post notifications of any shape, as they are, in one body."""
        given = an_object(body)
        items = as_list(given.get("notifications"))
        if items is None:
            raise BadBody("notifications must be a list")
        events = [Event("", "notifications", item, self._net.now_ms()) for item in items]
        self._notices.posting.emit_as_given(events, self._url(given))
        return {"sent": len(items)}

    async def _replay(self, _request: Request, body: object) -> Json:
        """Post a body as it is, `signature`: good, bad, none, or bare (the form of the other source)."""
        given = an_object(body)
        raw = given.get("raw", given.get("body"))
        if raw is None:
            raise BadBody("body is required")
        content = raw.encode() if isinstance(raw, str) else orjson.dumps(raw)
        headers = {"X-LI-Signature": self._signature(text(given, "signature", "good"), content)}
        url, times = self._url(given), whole_or_none(given, "times")
        sent = {name: value for name, value in headers.items() if value}
        posting = self._notices.posting
        return {"answers": [await posting.post(url, content, sent) for _ in range(1 if times is None else times)]}

    def _signature(self, kind: str, content: bytes) -> str:
        match kind:
            case "good":
                return signed(self._net, content)
            case "bad":
                return signed(self._net, content + b" ")
            case "bare":
                return acting.bare_signature(self._net, content)
            case "none":
                return ""
        raise BadBody("signature must be good, bad, bare or none")

    async def _hooks(self, _request: Request, _body: object) -> Json:
        return {"hooks": [asdict(hook) for hook in self._net.kept.hooks.values()]}

    async def _validate(self, _request: Request, body: object) -> Json:
        return asdict(await self._notices.validate(self._url(an_object(body))))

    async def _webhooks(self, request: Request, _body: object) -> Json:
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            raise BadBody("since must be a number")
        return {"posts": [asdict(post) for post in self._notices.posting.posts if post.seq > int(since)]}

    def _known(self, request: Request) -> str:
        name = urn_of("organization", request.path_params["id"])
        if name not in self._net.kept.organizations:
            raise UnknownId(f"unknown organization {name}")
        return name

    def _url(self, given: Json) -> str:
        url = text_or_none(given, "url") or text_or_none(self._net.app, "callback_url")
        if url is None:
            raise BadBody("url is required, the app has no callback_url")
        return url
