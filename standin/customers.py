"""What a customer can do on the phone; each deed changes the state and becomes a webhook."""

from standin.jsonish import BadBody, Json, as_list, text, text_or_none, whole_or_none
from standin.receipts import comment_change, content_of, read_item
from standin.state import TOKEN_LIFE_MS, Comment, Customer, Message, OptinToken, Page, World
from standin.webhooks_out import Webhooks


class Phone:
    """The deeds. `silent` changes the state without a webhook."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self._world = world
        self._webhooks = webhooks

    def do(self, page: Page, psid: str, deed: str, body: Json, silent: bool) -> Json:
        """Carry out the named deed; `BadBody` for an unknown one or a wrong body."""
        deeds = {
            "message": self.message,
            "postback": self.postback,
            "referral": self.referral,
            "optin": self.optin,
            "stop": self.stop,
            "resume": self.resume,
            "block": self.block,
            "unblock": self.unblock,
            "read": self.read,
            "react": self.react,
            "unsend": self.unsend,
            "edit": self.edit,
            "comment": self.comment,
            "handover": self.handover,
            "rating": self.rating,
            "click": self.click,
        }
        act = deeds.get(deed)
        if act is None:
            raise BadBody(f"unknown deed {deed}")
        return act(page, self._world.customer(page, psid), body, silent)

    def message(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person writes; this opens the window."""
        attachments = as_list(body.get("attachments")) or []
        words = text_or_none(body, "text")
        if words is None and not attachments:
            raise BadBody("text or attachments is required")
        mid = text(body, "mid", self._world.new_mid())
        at_ms = whole_or_none(body, "timestamp") or self._world.now_ms()
        message = Message(mid, page.id, customer.psid, False, words, attachments, at_ms)
        self._world.add_message(customer, message)
        customer.last_action_ms = max(at_ms, customer.last_action_ms or 0)
        extras = {key: body[key] for key in ("quick_reply", "reply_to", "referral") if body.get(key) is not None}
        inner: Json = {"mid": mid, **content_of(message), **extras}
        self._say(page, customer, "messages", {"message": inner}, silent, at_ms=at_ms)
        return {"mid": mid, "timestamp": at_ms}

    def postback(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person taps a button; this opens the window."""
        mid = self._world.new_mid()
        inner: Json = {"mid": mid, "title": text(body, "title", "Get Started"), "payload": text(body, "payload")}
        self._touch(customer)
        self._say(page, customer, "messaging_postbacks", {"postback": inner}, silent)
        return {"mid": mid}

    def referral(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person comes through a link or an ad."""
        inner = {"source": "SHORTLINK", "type": "OPEN_THREAD", **body, "ref": text(body, "ref")}
        self._touch(customer)
        self._say(page, customer, "messaging_referrals", {"referral": inner}, silent)
        return {}

    def optin(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person says yes to marketing messages."""
        life_s = whole_or_none(body, "expires_s")
        token = self._world.add_optin(
            customer,
            text(body, "title", "News and offers"),
            text(body, "payload", "OPTIN"),
            text(body, "timezone", "UTC"),
            TOKEN_LIFE_MS if life_s is None else life_s * 1000,
        )
        self._touch(customer)
        self._say(page, customer, "messaging_optins", {"optin": self._optin_item(token, None)}, silent)
        return {"notification_messages_token": token.value}

    def stop(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person stops one topic, or all when no token is named."""
        return self._set_stopped(page, customer, body, silent, True)

    def resume(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person takes a stop back."""
        return self._set_stopped(page, customer, body, silent, False)

    def block(self, _page: Page, customer: Customer, _body: Json, _silent: bool) -> Json:
        """The person blocks the page; Meta sends no webhook for it."""
        customer.is_blocked = True
        return {}

    def unblock(self, _page: Page, customer: Customer, _body: Json, _silent: bool) -> Json:
        """The person takes the block back."""
        customer.is_blocked = False
        return {}

    def read(self, page: Page, customer: Customer, _body: Json, silent: bool) -> Json:
        """The person opens the thread and sees everything."""
        now = self._world.now_ms()
        if not silent:
            item = read_item(page.id, customer.psid, now, now)
            self._webhooks.emit(page, "message_reads", item, customer.psid)
        return {"watermark": now}

    def react(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person reacts to a message or takes the reaction back; this opens the window."""
        mid = self._own_thread(customer, body).mid
        action = text(body, "action", "react")
        inner: Json = {"mid": mid, "action": action}
        if action == "react":
            inner |= {"reaction": text(body, "reaction", "love"), "emoji": text(body, "emoji", "❤")}
        self._touch(customer)
        self._say(page, customer, "message_reactions", {"reaction": inner}, silent)
        return {}

    def unsend(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person deletes an own message for both sides."""
        message = self._own_thread(customer, body)
        message.is_deleted, message.text, message.attachments = True, None, []
        self._say(page, customer, "messages", {"message": {"mid": message.mid, "is_deleted": True}}, silent)
        return {}

    def edit(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person changes an own message."""
        message = self._own_thread(customer, body)
        message.text, message.edits = text(body, "text"), message.edits + 1
        inner: Json = {"mid": message.mid, "text": message.text, "num_edit": message.edits}
        self._say(page, customer, "message_edits", {"message_edit": inner}, silent)
        return {"num_edit": message.edits}

    def comment(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person comments under a post of the page."""
        verb = text(body, "verb", "add")
        comment_id = text(body, "comment_id", self._world.new_id(f"{page.id}_"))
        post_id = text(body, "post_id", f"{page.id}_1")
        known = self._world.comments.get(comment_id)
        if known is None or verb == "add":
            parent_id = text(body, "parent_id", post_id)
            known = Comment(
                comment_id, page.id, customer.psid, self._world.now_ms(), post_id=post_id, parent_id=parent_id
            )
            self._world.comments[comment_id] = known
        known.text = text(body, "message", known.text)
        known.is_gone = verb == "remove"
        if not silent:
            self._webhooks.emit(page, "feed", comment_change(page, customer, known, verb), customer.psid)
        return {"comment_id": comment_id}

    def handover(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The thread goes to another app (`app_id`), or comes back to ours (without)."""
        before, after = customer.owner_app, text_or_none(body, "app_id")
        ours = self._world.config.app_id
        inner: Json = {"previous_owner_app_id": before or ours, "new_owner_app_id": after or ours, "metadata": ""}
        customer.owner_app = None
        self._say(page, customer, "messaging_handovers", {"pass_thread_control": inner}, silent)
        customer.owner_app = after
        return {"owner_app": after}

    def rating(self, page: Page, customer: Customer, body: Json, silent: bool) -> Json:
        """The person reviews the page."""
        kind = text(body, "recommendation_type", "POSITIVE")
        value: Json = {
            "item": "rating",
            "verb": text(body, "verb", "add"),
            "open_graph_story_id": text(body, "open_graph_story_id", self._world.new_id()),
            "reviewer_id": customer.psid,
            "reviewer_name": customer.name,
            "review_text": text(body, "review_text", ""),
            "recommendation_type": kind,
            "has_rating": body.get("rating") is not None,
            "has_review": bool(body.get("review_text")),
            "created_time": self._world.now_ms() // 1000,
        }
        if body.get("rating") is not None:
            value["rating"] = whole_or_none(body, "rating")
        if not silent:
            self._webhooks.emit(page, "ratings", value, customer.psid)
        return {"open_graph_story_id": value["open_graph_story_id"]}

    def click(self, _page: Page, _customer: Customer, body: Json, _silent: bool) -> Json:
        """The person taps the link of a marketing message."""
        campaign = self._world.campaigns.get(text(body, "campaign"))
        if campaign is None:
            raise BadBody("unknown campaign")
        campaign.clicks += 1
        return {"clicks": campaign.clicks}

    def _set_stopped(self, page: Page, customer: Customer, body: Json, silent: bool, stopped: bool) -> Json:
        wanted = text_or_none(body, "token")
        changed = [
            token
            for token in self._world.optins.values()
            if token.page == page.id and token.psid == customer.psid and wanted in (None, token.value)
        ]
        if wanted is not None and not changed:
            raise BadBody("unknown token")
        for token in changed:
            token.is_stopped = stopped
            status = "STOP NOTIFICATIONS" if stopped else "RESUME NOTIFICATIONS"
            self._say(page, customer, "messaging_optins", {"optin": self._optin_item(token, status)}, silent)
        return {"tokens": [token.value for token in changed]}

    def _optin_item(self, token: OptinToken, status: str | None) -> Json:
        item: Json = {
            "type": "notification_messages",
            "payload": token.payload,
            "notification_messages_token": token.value,
            "notification_messages_timezone": token.timezone,
            "token_expiry_timestamp": token.expires_ms,
            "user_token_status": "NOT_REFRESHED",
            "title": token.title,
        }
        if status is not None:
            item["notification_messages_status"] = status
        return item

    def _own_thread(self, customer: Customer, body: Json) -> Message:
        message = self._world.messages.get(text(body, "mid"))
        if message is None or (message.page, message.psid) != (customer.page, customer.psid):
            raise BadBody("unknown mid in this thread")
        return message

    def _touch(self, customer: Customer) -> None:
        customer.last_action_ms = self._world.now_ms()

    def _say(
        self,
        page: Page,
        customer: Customer,
        field: str,
        part: Json,
        silent: bool,
        *,
        at_ms: int | None = None,
    ) -> None:
        if silent:
            return
        item: Json = {
            "sender": {"id": customer.psid},
            "recipient": {"id": page.id},
            "timestamp": at_ms or self._world.now_ms(),
            **part,
        }
        self._webhooks.emit(page, field, item, customer.psid)
