"""What a person can do to an account; each deed changes the state and becomes a webhook."""

from collections.abc import Callable

from standin.controlling import UnknownId
from standin.instagram.posting import Hooks, content_of, parties
from standin.instagram.sending import change, comment_value
from standin.instagram.state import Account, Comment, Message, Person, Studio
from standin.jsonish import BadBody, Json, as_list, text, text_or_none, whole_or_none

STORY = "17999000000000000"
Deed = Callable[[Account, Person, Json, bool], Json]


class Phone:
    """The deeds. `silent` changes the state without a webhook."""

    def __init__(self, studio: Studio, hooks: Hooks) -> None:
        self._studio = studio
        self._hooks = hooks
        self._deeds: dict[str, Deed] = {
            "message": self.message,
            "story_reply": self.story_reply,
            "story_mention": self.story_mention,
            "postback": self.postback,
            "referral": self.referral,
            "read": self.read,
            "react": self.react,
            "unsend": self.unsend,
            "edit": self.edit,
            "comment": self.comment,
            "mention": self.mention,
            "end_live": self.end_live,
            "block": self.block,
            "unblock": self.unblock,
        }

    def do(self, account: Account, person_id: str, deed: str, body: Json, silent: bool) -> Json:
        """Carry out the named deed; `BadBody` for an unknown one or a wrong body."""
        act = self._deeds.get(deed)
        if act is None:
            raise UnknownId(f"unknown deed {deed}")
        return act(account, self._studio.person(account, person_id), body, silent)

    def message(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person writes; this opens the window. Extra parts of the message are taken as given."""
        attachments = as_list(body.get("attachments")) or []
        words = text_or_none(body, "text")
        if words is None and not attachments and body.get("is_unsupported") is not True:
            raise BadBody("text or attachments is required")
        mid = text(body, "mid", self._studio.new_mid())
        at_ms = whole_or_none(body, "timestamp") or self._studio.now_ms()
        message = Message(mid, account.id, person.id, False, words, attachments, at_ms)
        self._studio.add(person, message)
        person.last_action_ms = max(at_ms, person.last_action_ms or 0)
        parts = ("quick_reply", "reply_to", "referral", "is_unsupported")
        extras = {name: body[name] for name in parts if body.get(name) is not None}
        told: Json = {"mid": mid, **content_of(message), **extras}
        self._say(account, person, "messages", {"message": told, "timestamp": at_ms}, silent)
        return {"mid": mid, "timestamp": at_ms}

    def story_reply(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person answers a story of the account."""
        story: Json = {"id": text(body, "story", STORY), "url": text(body, "url", "https://cdn.example/story.jpg")}
        given: Json = {"text": text(body, "text", "Nice!"), "reply_to": {"story": story}}
        return self.message(account, person, given, silent)

    def story_mention(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person names the account in an own story; it comes as a message without words."""
        payload = {"url": text(body, "url", "https://cdn.example/mention.jpg")}
        return self.message(account, person, {"attachments": [{"type": "story_mention", "payload": payload}]}, silent)

    def postback(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person taps a button; this opens the window."""
        mid = self._studio.new_mid()
        told: Json = {"mid": mid, "title": text(body, "title", "Start"), "payload": text(body, "payload")}
        self._touch(person)
        self._say(account, person, "messaging_postbacks", {"postback": told}, silent)
        return {"mid": mid}

    def referral(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person comes through a link."""
        told: Json = {"ref": text(body, "ref"), "source": "SHORTLINKS", "type": "OPEN_THREAD"}
        self._say(account, person, "messaging_referral", {"referral": told}, silent)
        return {}

    def read(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person sees the thread up to a message of the account: the one named, else the last one."""
        own = [message for message in person.messages if message.from_account]
        mid = text_or_none(body, "mid") or (own[-1].mid if own else None)
        if mid is None:
            raise BadBody("the account has not written")
        if not silent:
            self._hooks.seen(account, person, mid)
        return {"mid": mid}

    def react(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person reacts to a message or takes the reaction back; this opens the window."""
        action = text(body, "action", "react")
        told: Json = {"mid": self._of_thread(person, body).mid, "action": action}
        if action == "react":
            told |= {"reaction": text(body, "reaction", "love"), "emoji": text(body, "emoji", "❤")}
        self._touch(person)
        self._tell(account, person, "message_reactions", "reaction", told, silent)
        return {}

    def unsend(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person deletes an own message for both sides."""
        message = self._of_thread(person, body)
        message.is_deleted, message.text, message.attachments = True, None, []
        told: Json = {"mid": message.mid, "is_deleted": True}
        self._say(account, person, "messages", {"message": told}, silent)
        return {}

    def edit(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person changes an own message."""
        message = self._of_thread(person, body)
        message.text, message.edits = text(body, "text"), message.edits + 1
        told: Json = {"mid": message.mid, "text": message.text, "num_edit": message.edits}
        self._tell(account, person, "message_edit", "message_edit", told, silent)
        return {"num_edit": message.edits}

    def comment(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person comments on a post of the account, or during its live broadcast."""
        comment = Comment(
            id=text(body, "comment_id", self._studio.run.world.new_id()),
            account=account.id,
            person=person.id,
            media=text(body, "media", f"{account.id}01"),
            text=text(body, "text", ""),
            created_ms=self._studio.now_ms(),
            parent=text_or_none(body, "parent_id"),
            is_live=body.get("is_live") is True,
        )
        self._studio.comments[comment.id] = comment
        field = "live_comments" if comment.is_live else "comments"
        value = comment_value(comment, {"id": person.id, "username": person.username})
        if not silent:
            self._hooks.emit(account, field, *change(field, value, self._studio.choices.flat_comments), person.id)
        return {"comment_id": comment.id}

    def mention(self, account: Account, person: Person, body: Json, silent: bool) -> Json:
        """The person names the account in a comment or caption elsewhere; the webhook tells two ids only."""
        value: Json = {"media_id": text(body, "media_id", self._studio.run.world.new_id())}
        value |= {"comment_id": given} if (given := text_or_none(body, "comment_id")) is not None else {}
        if not silent:
            self._hooks.emit(account, "mentions", *change("mentions", value, False), person.id)
        return value

    def end_live(self, account: Account, _person: Person, _body: Json, _silent: bool) -> Json:
        """The account's broadcast ends: its comments take no private reply any more."""
        ended = [one for one in self._studio.comments.values() if one.account == account.id and one.is_live]
        for comment in ended:
            comment.is_over = True
        return {"comments": len(ended)}

    def block(self, _account: Account, person: Person, _body: Json, _silent: bool) -> Json:
        """The person blocks the account; there is no webhook for it."""
        person.is_blocked = True
        return {}

    def unblock(self, _account: Account, person: Person, _body: Json, _silent: bool) -> Json:
        """The person takes the block back."""
        person.is_blocked = False
        return {}

    def _of_thread(self, person: Person, body: Json) -> Message:
        message = self._studio.messages.get(text(body, "mid"))
        if message is None or (message.account, message.person) != (person.account, person.id):
            raise UnknownId("unknown mid in this thread")
        return message

    def _touch(self, person: Person) -> None:
        person.last_action_ms = self._studio.now_ms()

    def _tell(self, account: Account, person: Person, field: str, part: str, told: Json, silent: bool) -> None:
        """An edit or a reaction in the form that is chosen: a messaging item, or a change with `from` and seconds."""
        if not self._studio.choices.edits_as_changes:
            self._say(account, person, field, {part: told}, silent)
            return
        author: Json = {"id": person.id, "username": person.username}
        value: Json = {**told, "timestamp": self._studio.now_ms() // 1000, "from": author}
        if not silent:
            self._hooks.emit(account, field, "changes", {"field": field, "value": value}, person.id)

    def _say(self, account: Account, person: Person, field: str, told: Json, silent: bool) -> None:
        if not silent:
            item: Json = {**parties(person), "timestamp": self._studio.now_ms(), **told}
            self._hooks.emit(account, field, "messaging", item, person.id)
