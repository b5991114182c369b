"""What people do on LinkedIn: write posts and comments, change and delete them, like, share, mention; and lose their grants."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from standin.controlling import UnknownId
from standin.jsonish import BadBody, Json, text, text_or_none, whole_or_none
from standin.linkedin.comments import commented
from standin.linkedin.notices import Notices
from standin.linkedin.state import Comment, Network, Person, Post, urn_of


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that a person does."""

    net: Network
    notices: Notices
    person: str
    given: Json
    is_silent: bool


def person(net: Network, name: str) -> Person:
    """The member of this URN, who comes to be when needed."""
    return net.kept.people.setdefault(name, Person(name, name.rpartition(":")[2]))


def new_post(net: Network, owner: str, words: str, *, is_public: bool = True) -> Post:
    """A share with its activity."""
    share, activity = net.number(), net.number()
    made = Post(f"urn:li:share:{share}", f"urn:li:activity:{activity}", owner, words, net.now_ms(), is_public)
    net.kept.posts[made.id] = made
    return made


def newest_post(net: Network, owner: str) -> Post:
    """The newest post of an organisation, which comes to be when there is none."""
    own = [post for post in net.kept.posts.values() if post.owner == owner]
    return own[-1] if own else new_post(net, owner, "Our first post")


def do(net: Network, notices: Notices, name: str, what: str, given: Json, is_silent: bool) -> Json:
    """Carry a deed out; `UnknownId` for one that is not known, `BadBody` for one that lacks something."""
    work = DEEDS.get(what)
    if work is None:
        raise UnknownId(f"unknown deed {what}")
    person(net, name)
    return work(Deed(net, notices, name, given, is_silent))


def bare_signature(net: Network, content: bytes) -> str:
    """The digest over the body alone, which one source tells of and the platform does not send."""
    return hmac.new(net.secret, content, hashlib.sha256).hexdigest()


def _comment(deed: Deed) -> Json:
    above = _comment_named(deed, "parent") if deed.given.get("parent") is not None else None
    post = deed.net.kept.posts[above.post] if above is not None else _post(deed)
    made = commented(deed.net, post, deed.person, text(deed.given, "text"), above)
    made.created_ms -= (whole_or_none(deed.given, "s_ago") or 0) * 1000
    notice = deed.notices.of_comment(made, "COMMENT", deed.is_silent)
    return {"comment": made.id, "notification": notice.id, "post": post.id}


def _admin_comment(deed: Deed) -> Json:
    """An administrator comments in the organisation's name, in LinkedIn's own app."""
    above = _comment_named(deed, "parent") if deed.given.get("parent") is not None else None
    post = deed.net.kept.posts[above.post] if above is not None else _post(deed)
    made = commented(deed.net, post, post.owner, text(deed.given, "text"), above)
    notice = deed.notices.of_comment(made, "ADMIN_COMMENT", deed.is_silent)
    return {"comment": made.id, "notification": notice.id, "post": post.id}


def _edit(deed: Deed) -> Json:
    comment = _comment_named(deed, "comment")
    comment.text, comment.modified_ms = text(deed.given, "text"), deed.net.now_ms()
    return {"notification": deed.notices.of_comment(comment, "COMMENT_EDIT", deed.is_silent).id}


def _delete(deed: Deed) -> Json:
    comment = _comment_named(deed, "comment")
    comment.is_deleted = True
    return {"notification": deed.notices.of_comment(comment, "COMMENT_DELETE", deed.is_silent).id}


def _like(deed: Deed) -> Json:
    return {"notification": deed.notices.of_post(_post(deed), "LIKE", deed.person, silent=deed.is_silent).id}


def _share(deed: Deed) -> Json:
    shared = _post(deed)
    made = new_post(deed.net, deed.person, text(deed.given, "text", ""))
    notice = deed.notices.of_post(shared, "SHARE", deed.person, made, deed.is_silent)
    return {"post": made.id, "notification": notice.id}


def _share_mention(deed: Deed) -> Json:
    about = urn_of("organization", text(deed.given, "organization"))
    made = new_post(deed.net, deed.person, text(deed.given, "text"))
    notice = deed.notices.of_mention(about, made, deed.is_silent)
    return {"post": made.id, "activity": made.activity, "notification": notice.id}


def _expire(deed: Deed) -> Json:
    own = [one for one in deed.net.kept.tokens.values() if one.person == deed.person and one.kind == "access"]
    for token in own:
        token.expires_ms = min(token.expires_ms, deed.net.now_ms() - 1)
    return {"expired": len(own)}


def _revoke(deed: Deed) -> Json:
    """The person takes the app's rights back in LinkedIn's settings: no webhook tells that."""
    own = [one for one in deed.net.kept.tokens.values() if one.person == deed.person]
    for token in own:
        token.dead = "REVOKED_ACCESS_TOKEN"
    deed.net.kept.people[deed.person].scopes = []
    return {"revoked": len(own)}


def _post(deed: Deed) -> Post:
    named = text_or_none(deed.given, "post")
    if named is None:
        return newest_post(deed.net, urn_of("organization", text(deed.given, "organization")))
    found = deed.net.post_of(named)
    if found is None:
        raise UnknownId(f"unknown post {named}")
    return found


def _comment_named(deed: Deed, slot: str) -> Comment:
    found = deed.net.kept.comments.get(text(deed.given, slot))
    if found is None:
        raise UnknownId(f"unknown comment {deed.given.get(slot)}")
    if found.is_deleted:
        raise BadBody("the comment is deleted")
    return found


DEEDS: dict[str, Callable[[Deed], Json]] = {
    "comment": _comment,
    "admin_comment": _admin_comment,
    "edit": _edit,
    "delete": _delete,
    "like": _like,
    "share": _share,
    "share_mention": _share_mention,
    "expire": _expire,
    "revoke": _revoke,
}
