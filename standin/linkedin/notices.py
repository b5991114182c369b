"""Notifications of what happens on an organisation's posts: their shape, and who they are posted to (platforms page, 5.4)."""

import asyncio
import contextlib
import hashlib
import hmac
import uuid
from collections.abc import Sequence

import httpx
import orjson

from standin.jsonish import Json, as_dict
from standin.linkedin.state import Comment, Hook, Network, Notice, Post, Subscription
from standin.ordering import newest_first
from standin.posting import Event, Posting

TYPE = "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS"
FAILURES_TO_BLOCK = 3
PUBLIC_ONLY = {"LIKE", "COMMENT", "SHARE"}


class LinkedInDialect:
    """How LinkedIn posts: one envelope for notifications of any organisations, tried again every five minutes for eight hours."""

    platform = "webhook:linkedin"
    lanes = 1

    def __init__(self, net: Network) -> None:
        self._net = net

    @property
    def batch_size(self) -> int:
        """As configured, ten by default."""
        return self._net.settings.batch_size

    @property
    def retry_ms(self) -> list[int]:
        """As configured."""
        return [self._net.settings.retry_ms]

    @property
    def timeout_s(self) -> float:
        """As configured."""
        return float(self._net.settings.answer_s)

    def body(self, events: list[Event]) -> bytes:
        """The envelope."""
        return orjson.dumps({"type": TYPE, "notifications": [event.item for event in events]})

    def headers(self, raw: bytes) -> dict[str, str]:
        """The signature."""
        return {"User-Agent": "LinkedIn", "X-LI-Signature": signed(self._net, raw)}

    def is_success(self, status: int) -> bool:
        """Any 2xx."""
        return 200 <= status < 300

    def succeeded(self, events: list[Event]) -> None:
        """Nothing is counted."""

    def gives_up(self, events: list[Event], attempt: int) -> bool:
        """When the time for retries is over."""
        settings = self._net.settings
        return attempt * settings.retry_ms >= settings.give_up_ms


def signed(net: Network, raw: bytes) -> str:
    """The digest over the prefix and the body; the header holds it alone."""
    return hmac.new(net.secret, b"hmacsha256=" + raw, hashlib.sha256).hexdigest()


class Notices:
    """Makes notifications, keeps them to be asked for, and posts them; also validates the callbacks."""

    def __init__(self, net: Network) -> None:
        self._net = net
        self.posting = Posting(net.run.world, net.run.faults, LinkedInDialect(net))
        self._validating: set[asyncio.Task[None]] = set()

    def forget(self) -> None:
        """Drop what is on its way."""
        self._end_validations()
        self.posting.forget()

    async def stop(self) -> None:
        """Close connections."""
        self._end_validations()
        await self.posting.stop()

    def of_comment(self, comment: Comment, action: str, silent: bool = False) -> Notice:
        """A comment was made, changed or deleted; a deleted one is told without its words."""
        thread = self._net.kept.posts[comment.post].activity
        told = {"entity": comment.id, "owner": comment.actor, "object": thread, "text": comment.text}
        decoration: Json | None = None if action == "COMMENT_DELETE" else {"comment": told}
        # The platform writes the short form here and the long one in the decoration (published fixture).
        short = f"urn:li:comment:({thread.removeprefix('urn:li:')},{comment.number})"
        notice = self._note(self._net.kept.posts[comment.post], action, short, decoration)
        if action in ("COMMENT", "ADMIN_COMMENT"):
            notice.at_ms = comment.created_ms
            notice.item["lastModifiedAt"] = comment.created_ms
        return self._told(notice, silent)

    def of_post(self, post: Post, action: str, by: str, made: Post | None = None, silent: bool = False) -> Notice:
        """A post was liked (nothing was made) or shared."""
        if made is None:
            return self._told(self._note(post, action, f"urn:li:like:({by},{post.activity})", None), silent)
        told = {"entity": made.id, "owner": made.owner, "object": post.id, "text": made.text}
        return self._told(self._note(post, action, made.activity, {"share": told}), silent)

    def of_mention(self, organization: str, made: Post, silent: bool = False) -> Notice:
        """Somebody's post names the organisation."""
        told = {"entity": made.id, "owner": made.owner, "text": made.text}
        return self._told(self._note(made, "SHARE_MENTION", made.activity, {"share": told}, organization), silent)

    def _told(self, notice: Notice, silent: bool) -> Notice:
        if not silent:
            self.push(notice)
        return notice

    def _note(
        self, post: Post, action: str, made: str, decoration: Json | None, organization: str | None = None
    ) -> Notice:
        about, at = organization or post.owner, self._net.now_ms()
        item: Json = {
            "notificationId": self._net.number() & 0x7FFFFFFFFFFF,
            "organizationalEntity": about,
            "action": action,
            "sourcePost": post.activity,
            "decoratedSourcePost": {
                "entity": post.id,
                "owner": post.owner,
                "text": post.text,
                "mediaCategory": "NONE",
            },
            "generatedActivity": made,
            "lastModifiedAt": at,
        }
        if decoration is not None:
            item["decoratedGeneratedActivity"] = decoration
        number = item["notificationId"]
        notice = Notice(number if isinstance(number, int) else 0, about, action, at, post.is_public, item)
        self._net.kept.notices.append(notice)
        return notice

    def push(self, notice: Notice, hold_ms: float = 0.0) -> None:
        """Post a notification to everybody who subscribed it."""
        for subscription, event in self._deliveries(notice):
            person = str(_author(notice)) if _author(notice) else None
            self.posting.emit(event, subscription.webhook, person, hold_ms)

    async def push_now(self, notice: Notice) -> None:
        """Post it and come back after the first attempt."""
        for subscription, event in self._deliveries(notice):
            await self.posting.emit_now(event, subscription.webhook)

    def _deliveries(self, notice: Notice) -> list[tuple[Subscription, Event]]:
        """Whom a notification goes to: those who still may see it, through a callback that is not blocked."""
        net = self._net
        if net.settings.tier == "development" or (notice.action in PUBLIC_ONLY and not notice.is_public):
            return []
        found = []
        for subscription in net.kept.subscriptions.values():
            hook = net.kept.hooks.get(subscription.webhook)
            if subscription.entity != notice.organization or subscription.expires_ms <= net.now_ms():
                continue
            if (hook is not None and hook.is_blocked) or not _may_see(net, subscription):
                net.run.world.calls.count(LinkedInDialect.platform, "skipped")
                continue
            item = {**notice.item, "subscriber": subscription.user}
            found.append((subscription, Event(notice.organization, "notifications", item, notice.at_ms)))
        return found

    def watch(self, url: str) -> None:
        """Validate a callback now and from then on; a callback that is watched already is not watched twice."""
        if any(task.get_name() == url for task in self._validating):
            return
        self._net.kept.hooks.setdefault(url, Hook(url))
        task = asyncio.get_running_loop().create_task(self._watch(url), name=url)
        self._validating.add(task)
        task.add_done_callback(self._validating.discard)

    async def validate(self, url: str) -> Hook:
        """Challenge a callback once. Three failures in a row block it, and a success by hand frees it again."""
        hook = self._net.kept.hooks.setdefault(url, Hook(url))
        hook.checked_ms = self._net.now_ms()
        if await self._passes(url):
            hook.failures, hook.is_blocked = 0, False
        else:
            hook.failures += 1
            hook.is_blocked = hook.is_blocked or hook.failures >= FAILURES_TO_BLOCK
        return hook

    async def _watch(self, url: str) -> None:
        while True:
            if (await self.validate(url)).is_blocked:
                return
            await asyncio.sleep(self._net.settings.validation_ms / 1000)

    async def _passes(self, url: str) -> bool:
        code = str(uuid.uuid4())
        digest = hmac.new(self._net.secret, code.encode(), hashlib.sha256).hexdigest()
        try:
            answer = await self.posting.client.get(url, params={"challengeCode": code}, timeout=3)
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        body: Json | None = None
        with contextlib.suppress(orjson.JSONDecodeError):
            body = as_dict(orjson.loads(answer.content))
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        expected = {"challengeCode": code, "challengeResponse": digest}
        return answer.status_code == 200 and is_json and body == expected

    def _end_validations(self) -> None:
        for task in self._validating:
            task.cancel()
        self._validating = set()


def told_since(net: Network, organization: str, actions: Sequence[str], start_ms: int, end_ms: int) -> list[Json]:
    """The kept notifications of an organisation, newest first; LinkedIn keeps them for 60 days."""
    oldest = max(start_ms, net.now_ms() - 60 * 86_400_000)
    chosen = [
        notice
        for notice in net.kept.notices
        if notice.organization == organization
        and notice.action in actions
        and oldest <= notice.at_ms <= end_ms
        and (notice.is_public or notice.action not in PUBLIC_ONLY)
    ]
    return [notice.item for notice in newest_first(chosen, lambda notice: notice.at_ms)]


def _may_see(net: Network, subscription: Subscription) -> bool:
    """Whether the subscriber is an administrator still, and has not taken the grant back."""
    has_grant = any(token.person == subscription.user and token.dead is None for token in net.kept.tokens.values())
    return has_grant and net.may(subscription.user, subscription.entity, {"ADMINISTRATOR"})


def _author(notice: Notice) -> object:
    decoration = as_dict(notice.item.get("decoratedGeneratedActivity")) or {}
    inner = as_dict(decoration.get("comment")) or as_dict(decoration.get("share")) or {}
    return inner.get("owner")
