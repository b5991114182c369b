"""Public comments: answers of the page, and the page's feed with the comments on its posts (platforms.md 2.4 and 2.6)."""

import hashlib

from standin.errors import bad_parameter, object_gone
from standin.graph import (
    Call,
    Fields,
    FieldSpec,
    choose,
    cursor_page,
    graph_time,
    need_scope,
    nested_list,
    page_of,
    throttle,
)
from standin.jsonish import Json
from standin.ledger import Entry
from standin.ordering import newest_first
from standin.receipts import comment_author, comment_change
from standin.state import Comment, Customer, Page, Token, World

TEXT_LIMIT = 8_000
MOST_COMMENTS = 25
READING = ("pages_read_user_content", "pages_read_engagement")


async def reply(call: Call) -> Json:
    """POST /{comment}/comments: the page answers in the open."""
    above, page, token = _above(call)
    need_scope(call, token, "pages_manage_engagement")
    words = call.params.get("message")
    if not isinstance(words, str) or not words.strip():
        raise bad_parameter("Param message must be a non-empty UTF-8 encoded string")
    if len(words) > TEXT_LIMIT:
        raise bad_parameter(f"Length of param message must be less than or equal to {TEXT_LIMIT}")
    throttle(call, page, "send", call.run.world.config.send_rate_per_s)
    world = call.run.world
    made = Comment(
        world.new_id(f"{page.id}_"),
        page.id,
        above.psid,
        world.now_ms(),
        post_id=above.post_id,
        parent_id=above.id,
        text=words,
        from_page=True,
    )
    world.comments[made.id] = made
    _record(call, token, made)
    customer = world.customer(page, made.psid)
    call.run.webhooks.emit(page, "feed", comment_change(page, customer, made, "add"), made.psid)
    return {"id": made.id}


async def feed(call: Call) -> Json:
    """GET /{page}/feed: the posts that were commented on, newest first, with their comments newest first."""
    page, token = page_of(call)
    need_scope(call, token, *READING)
    throttle(call, page, "list", call.run.world.config.list_rate_per_s)
    wanted = call.fields("id,created_time")
    posts: dict[str, list[Comment]] = {}
    for comment in call.run.world.comments.values():
        if comment.page == page.id and comment.post_id and not comment.is_gone:
            posts.setdefault(comment.post_id, []).append(comment)
    rows = [(post_id, _post(call.run.world, page, post_id, found, wanted)) for post_id, found in posts.items()]
    return cursor_page(call, rows[::-1], call.limit())


async def of_post(call: Call) -> Json:
    """GET /{post}/comments: those of one post, also the answers, newest first."""
    post_id = call.segments[0]
    call.segments[0] = "me"
    page, token = page_of(call)
    call.segments[0] = post_id
    need_scope(call, token, *READING)
    throttle(call, page, "list", call.run.world.config.list_rate_per_s)
    world, wanted = call.run.world, call.fields("id,created_time,message")
    found = [
        one for one in world.comments.values() if one.post_id == post_id and one.page == page.id and not one.is_gone
    ]
    if not found:
        raise object_gone(post_id)
    newest = newest_first(found, lambda one: one.created_ms)
    rows = [(one.id, _listed(page, world.customer(page, one.psid), one, wanted)) for one in newest]
    return cursor_page(call, rows, min(call.limit(), 100))


def _above(call: Call) -> tuple[Comment, Page, Token]:
    comment_id = call.segments[0]
    comment = call.run.world.comments.get(comment_id)
    call.segments[0] = "me"
    page, token = page_of(call)
    call.segments[0] = comment_id
    if comment is None or comment.page != page.id or comment.is_gone:
        raise object_gone(comment_id)
    return comment, page, token


def _record(call: Call, token: Token, made: Comment) -> None:
    ledger = call.run.world.ledger
    call.entry = Entry(
        seq=ledger.next_seq(),
        page=made.page,
        person=made.psid,
        mid=made.id,
        kind="comment",
        text=made.text,
        attachments=[],
        metadata=None,
        reference=f"text:{made.psid}:{made.text}",
        messaging_type=None,
        campaign=None,
        tracking_id=None,
        accepted_at=made.created_ms,
        token_sha256=hashlib.sha256(token.value.encode()).hexdigest(),
        fault=call.fault,
        details={"comment_id": made.parent_id},
    )
    ledger.append(call.entry)


def _post(world: World, page: Page, post_id: str, comments: list[Comment], wanted: Fields) -> Json:
    row: Json = {"id": post_id, "created_time": graph_time(min(one.created_ms for one in comments))}
    spec = wanted.get("comments")
    if spec is not None:
        limit = min(spec.limit or MOST_COMMENTS, 100)
        newest = newest_first(comments, lambda one: one.created_ms)
        nested = spec.nested or {"id": FieldSpec(), "created_time": FieldSpec()}
        rows = [(one.id, _listed(page, world.customer(page, one.psid), one, nested)) for one in newest]
        row["comments"] = nested_list(rows, limit)
    return choose(row, wanted)


def _listed(page: Page, customer: Customer, comment: Comment, wanted: Fields) -> Json:
    row: Json = {
        "id": comment.id,
        "message": comment.text,
        "from": comment_author(page, customer, comment),
        "created_time": graph_time(comment.created_ms),
    }
    if comment.parent_id != comment.post_id:
        row["parent"] = {"id": comment.parent_id}
    return choose(row, wanted)
