"""What the Graph of Facebook knows of Instagram: the account behind a page, and its calls with the page's token."""

from collections.abc import Awaitable, Callable

from standin.graph import Call, FieldSpec, choose, raw_token
from standin.instagram import reading, sending
from standin.instagram.posting import Hooks
from standin.instagram.state import Account, Studio, studio_of
from standin.instagram.visit import COMMENTS, MESSAGES, Visit, page_visit
from standin.jsonish import Json, as_dict
from standin.runtime import Runtime
from standin.state import Page, Token

LINK = "instagram_business_account"
Handler = Callable[[Call], Awaitable[Json]]
Route = tuple[str, Handler]


def linked_account(run: Runtime, token: Token, page: Page, wanted: dict[str, FieldSpec]) -> Json:
    """The field `instagram_business_account` of a page, where it was asked for and may be seen."""
    studio = studio_of(run)
    account = studio.of_page(page) if studio is not None else None
    may_see = not run.world.config.enforce_scopes or token.has_scope("instagram_basic")
    if LINK not in wanted or account is None or not may_see:
        return {}
    row: Json = {"id": account.id, "username": account.username, "name": account.name}
    return {LINK: choose(row, wanted[LINK].nested)}


def route_of(call: Call) -> Route | None:
    """The operation and its handler where the call is about Instagram, else None."""
    studio = studio_of(call.run)
    if studio is None or not studio.accounts:
        return None
    found = _found(studio, call)
    if found is None:
        return None
    op, scope, handler = found

    async def visit(given: Call) -> Json:
        return await handler(page_visit(studio, _hooks(given.run), given, scope))

    return op, visit


def party_of(call: Call) -> str | None:
    """The account that a call about Instagram concerns, for the fault plan."""
    studio = studio_of(call.run)
    account = _account(studio, call) if studio is not None and route_of(call) is not None else None
    return account.id if account is not None else None


def _found(studio: Studio, call: Call) -> tuple[str, str, Callable[[Visit], Awaitable[Json]]] | None:
    found: tuple[str, str, Callable[[Visit], Awaitable[Json]]] | None = None
    match call.method, call.segments:
        case "POST", [_, "messages"] if _is_to_instagram(studio, call):
            is_signal = call.params.get("sender_action") is not None
            found = ("signal", MESSAGES[1], sending.signal) if is_signal else ("send", MESSAGES[1], sending.send)
        case "POST", [_, "message_attachments"] if _says_instagram(call):
            found = "upload", MESSAGES[1], sending.upload
        case "GET", [_, "conversations"] if _says_instagram(call):
            found = "list", MESSAGES[1], reading.conversations
        case "GET", [thread, "messages"] if studio.of_thread(thread) is not None:
            found = "list", MESSAGES[1], reading.thread_messages
        case "GET", [node] if node in studio.messages or studio.of_thread(node) is not None:
            found = "list", MESSAGES[1], reading.node
        case "GET", [node] if _is_node(studio, call, node):
            found = "profile", MESSAGES[1], reading.node
    return found or _of_comments(studio, call)


def _of_comments(studio: Studio, call: Call) -> tuple[str, str, Callable[[Visit], Awaitable[Json]]] | None:
    match call.method, call.segments:
        case "GET", [node, "media"] if node in studio.accounts:
            return "list", COMMENTS[1], reading.media
        case "GET", [node, "comments"] if any(one.media == node for one in studio.comments.values()):
            return "list", COMMENTS[1], reading.comments_of_post
        case "GET", [comment, "replies"] if comment in studio.comments:
            return "list", COMMENTS[1], reading.answers
        case "POST", [comment, "replies"] if comment in studio.comments:
            return "comment", COMMENTS[1], sending.reply
    return None


def _is_to_instagram(studio: Studio, call: Call) -> bool:
    """A page's people at Messenger and at Instagram have different ids; a platform named in the call decides too."""
    account = _account(studio, call)
    recipient = as_dict(call.params.get("recipient")) or {}
    named, comment = str(recipient.get("id")), str(recipient.get("comment_id"))
    return account is not None and (_says_instagram(call) or named in account.people or comment in studio.comments)


def _is_node(studio: Studio, call: Call, node: str) -> bool:
    account = _account(studio, call)
    return account is not None and (node in account.people or node == account.id)


def _says_instagram(call: Call) -> bool:
    return (call.param("platform") or "").lower() == "instagram"


def _account(studio: Studio, call: Call) -> Account | None:
    token = call.run.world.tokens.get(raw_token(call) or "")
    return studio.of_page(call.run.world.pages.get(token.page or "")) if token is not None else None


def _hooks(run: Runtime) -> Hooks:
    found = (getattr(plugin, "hooks", None) for plugin in run.plugins)
    return next(hooks for hooks in found if isinstance(hooks, Hooks))
