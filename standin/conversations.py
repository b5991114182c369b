"""Reading back: threads of a page, their messages, one message, the profile of a customer."""

from standin.errors import GraphError, bad_parameter, object_gone
from standin.graph import Call, Fields, choose, cursor_page, graph_time, need_scope, page_of, throttle
from standin.jsonish import Json, as_dict
from standin.state import Customer, Message, Page

MIME_TYPES = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/mpeg"}
MESSAGE_FIELDS = "id,created_time"
MOST_MESSAGES = 25


async def conversations(call: Call) -> Json:
    """GET /{page}/conversations: newest thread first."""
    page, token = page_of(call)
    need_scope(call, token, "pages_messaging")
    throttle(call, page, "list", call.run.world.config.list_rate_per_s)
    if call.param("platform") not in (None, "messenger", "MESSENGER"):
        raise bad_parameter("Param platform must be one of {MESSENGER, INSTAGRAM}")
    user = call.param("user_id")
    threads = [item for item in page.customers.values() if item.messages and user in (None, item.psid)]
    threads.sort(key=lambda item: (item.messages[-1].created_ms, item.moved), reverse=True)
    wanted = call.fields("id,updated_time")
    limit = call.limit()
    answer = cursor_page(call, [(item.psid, {"id": item.psid}) for item in threads], limit)
    rows = answer["data"] if isinstance(answer["data"], list) else []
    answer["data"] = [_thread(call, page, page.customers[row["id"]], wanted) for row in rows]
    return answer


async def thread_messages(call: Call) -> Json:
    """GET /{thread}/messages: newest first."""
    page, token = page_of_thread(call)
    throttle(call, page, "list", call.run.world.config.list_rate_per_s)
    wanted = call.fields(MESSAGE_FIELDS)
    rows = [(item.mid, _message(page, token, item, wanted)) for item in reversed(_kept(token))]
    return cursor_page(call, rows, call.limit())


async def thread_node(call: Call) -> Json:
    """GET /{thread}."""
    page, customer = page_of_thread(call)
    throttle(call, page, "list", call.run.world.config.list_rate_per_s)
    return _thread(call, page, customer, call.fields("id,updated_time"))


async def message_node(call: Call) -> Json:
    """GET /{mid}."""
    message = call.run.world.messages.get(call.segments[0])
    page, customer = _owner(call, message.page if message else None, message.psid if message else None)
    if message is None:
        raise object_gone(call.segments[0])
    throttle(call, page, "list", call.run.world.config.list_rate_per_s)
    return _message(page, customer, message, call.fields(MESSAGE_FIELDS))


async def profile(call: Call) -> Json:
    """GET /{psid}; error 230 for a person who never wrote."""
    page, customer = _owner(call, None, call.segments[0])
    if customer.last_action_ms is None:
        raise GraphError(230, "(#230) User consent is required to access user profile")
    row: Json = {
        "id": customer.psid,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "name": customer.name,
        "profile_pic": f"{str(call.request.base_url).rstrip('/')}/picture/{page.id}/{customer.psid}.svg",
    }
    return choose(row, call.fields("first_name,last_name,profile_pic"))


def page_of_thread(call: Call) -> tuple[Page, Customer]:
    """Page and customer of `t_<page>_<psid>`; error 100/33 when the token cannot see it."""
    _, page_id, psid = [*call.segments[0].split("_", 2), "", ""][:3]
    return _owner(call, page_id, psid)


def _owner(call: Call, page_id: str | None, psid: str | None) -> tuple[Page, Customer]:
    node = call.segments[0]
    call.segments[0] = "me"
    page, token = page_of(call)
    call.segments[0] = node
    need_scope(call, token, "pages_messaging")
    customer = page.customers.get(psid or "")
    if customer is None or page_id not in (None, page.id):
        raise object_gone(node)
    return page, customer


def _thread(call: Call, page: Page, customer: Customer, wanted: Fields) -> Json:
    last = customer.messages[-1] if customer.messages else None
    row: Json = {"id": call.run.world.thread_of(page.id, customer.psid)}
    if last is not None:
        row |= {"updated_time": graph_time(last.created_ms), "message_count": len(customer.messages)}
    row["link"] = f"/{page.id}/inbox/{customer.psid}/"
    row["participants"] = {"data": [_customer(customer), _page(page)]}
    spec = wanted.get("messages")
    if spec is not None:
        limit = min(spec.limit or MOST_MESSAGES, 100)
        newest = _kept(customer)[-limit:][::-1]
        nested = spec.nested or {"id": spec, "created_time": spec}
        row["messages"] = {"data": [_message(page, customer, item, nested) for item in newest]}
    return choose(row, wanted)


def _message(page: Page, customer: Customer, item: Message, wanted: Fields) -> Json:
    sender, receiver = (_page(page), _customer(customer)) if item.from_page else (_customer(customer), _page(page))
    row: Json = {
        "id": item.mid,
        "created_time": graph_time(item.created_ms),
        "from": sender,
        "to": {"data": [receiver]},
        "message": item.text or "",
    }
    if item.attachments:
        row["attachments"] = {"data": [_listed(item, index, one) for index, one in enumerate(item.attachments)]}
    return choose(row, wanted)


def _kept(customer: Customer) -> list[Message]:
    """What is still in the thread; a message that was taken back is not."""
    return [message for message in customer.messages if not message.is_deleted]


def _listed(message: Message, index: int, attachment: object) -> Json:
    """An attachment as lists show it: pictures and films apart from other files, and no types of webhooks."""
    one = as_dict(attachment) or {}
    payload = as_dict(one.get("payload")) or {}
    kind, url = str(one.get("type")), str(payload.get("url") or "")
    row: Json = {"id": f"{message.mid}_{index}", "mime_type": MIME_TYPES.get(kind, "application/octet-stream")}
    if kind in ("image", "video"):
        row[f"{kind}_data"] = {"url": url}
    else:
        row |= {"file_url": url, "name": f"{kind}-{index}"}
    return row


def _customer(customer: Customer) -> Json:
    return {"name": customer.name, "email": f"{customer.psid}@facebook.com", "id": customer.psid}


def _page(page: Page) -> Json:
    return {"name": page.name, "email": f"{page.id}@facebook.com", "id": page.id}
