"""What a person can reach: profile, pages, businesses, ad accounts; and which webhooks a page sends."""

from standin.errors import bad_parameter, no_permission, object_gone
from standin.graph import Call, choose, cursor_page, need_scope, page_of, token_of, user_token
from standin.instagram.pages import linked_account
from standin.jsonish import Json
from standin.state import AdAccount, Business, Page, Person, Token

WEBHOOK_FIELDS = {
    *("messages", "message_echoes", "message_deliveries", "message_reads", "message_reactions", "message_edits"),
    *("messaging_postbacks", "messaging_optins", "messaging_referrals", "messaging_handovers", "standby", "feed"),
    *("messaging_policy_enforcement", "messaging_feedback", "response_feedback", "ratings", "mention", "leadgen"),
    *("message_template_status_update", "messenger_template_status_update", "marketing_message_delivery_failed"),
    *(
        "marketing_message_echoes",
        "marketing_message_deliveries",
        "marketing_message_reads",
        "marketing_message_clicks",
    ),
}
PAGE_FACTS = {"name"}
"""Fields that are about the page itself; nothing here ever changes one."""


async def me(call: Call) -> Json:
    """GET /me with a user or page token."""
    token = token_of(call)
    if token.kind == "PAGE":
        page, _ = page_of(call)
        return choose({"id": page.id, "name": page.name}, call.fields("id,name"))
    person = _person(call, token)
    return choose({"id": person.id, "name": person.name}, call.fields("id,name"))


async def pages_of_person(call: Call) -> Json:
    """GET /me/accounts: the pages on which the person has a role of their own."""
    token = user_token(call)
    need_scope(call, token, "pages_show_list")
    person = _person(call, token)
    return _page_rows(call, token, [page for page in call.run.world.pages.values() if person.id in page.people])


async def businesses(call: Call) -> Json:
    """GET /me/businesses."""
    token = user_token(call)
    need_scope(call, token, "business_management")
    person = _person(call, token)
    wanted = call.fields("id,name")
    rows = [
        (item.id, choose({"id": item.id, "name": item.name}, wanted))
        for item in call.run.world.businesses.values()
        if person.id in item.people
    ]
    return cursor_page(call, rows, call.limit())


async def pages_of_business(call: Call) -> Json:
    """GET /{business}/owned_pages and /{business}/client_pages."""
    token = user_token(call)
    need_scope(call, token, "business_management")
    business = _business(call, token)
    relation = "owned" if call.segments[1] == "owned_pages" else "client"
    found = [
        page for page in call.run.world.pages.values() if (page.business, page.relation) == (business.id, relation)
    ]
    return _page_rows(call, token, found)


async def ad_accounts(call: Call) -> Json:
    """GET /me/adaccounts: those of the pages that the person reaches."""
    token = user_token(call)
    need_scope(call, token, "ads_management", "ads_read")
    wanted = call.fields("id,account_id")
    reached = {page.ad_account for page in reachable_pages(call, token)}
    rows = [
        (item.id, choose(_ad_account_row(call, item), wanted))
        for item in call.run.world.ad_accounts.values()
        if item.id in reached
    ]
    return cursor_page(call, rows, call.limit())


async def ad_account_node(call: Call) -> Json:
    """GET /act_…: with a token that reaches one of the account's pages."""
    token = token_of(call)
    need_scope(call, token, "ads_management", "ads_read")
    account = call.run.world.ad_accounts[call.segments[0]]
    on_page = call.run.world.pages.get(token.page or "")
    pages = [on_page] if on_page is not None else reachable_pages(call, token)
    if account.id not in {page.ad_account for page in pages if token.may_use(page.id)}:
        raise no_permission("Ad account owner has NOT grant ads_management or ads_read permission")
    return choose(_ad_account_row(call, account), call.fields("id,account_id"))


async def page_node(call: Call) -> Json:
    """GET /{page}."""
    page = call.run.world.pages[call.segments[0]]
    token = token_of(call)
    if token.kind == "PAGE":
        page_of(call)
        wanted = call.fields("id,name")
        row: Json = {"id": page.id, "name": page.name, "access_token": token.value}
        return choose({**row, **linked_account(call.run, token, page, wanted)}, wanted)
    if not reaches(call, token, page):
        raise object_gone(page.id)
    return _page_row(call, token, page, "id,name")


async def subscribed_apps(call: Call) -> Json:
    """POST, GET and DELETE /{page}/subscribed_apps."""
    page, token = page_of(call)
    need_scope(call, token, "pages_manage_metadata")
    if call.method == "GET":
        app: Json = {"id": call.run.world.config.app_id, "name": "Switchboard", "category": "Business"}
        return {"data": [{**app, "subscribed_fields": sorted(page.fields)}] if page.fields else []}
    if call.method == "DELETE":
        page.fields.clear()
        call.run.world.note_revocation("subscribed_apps", page.id)
        return {"success": True}
    wanted = _subscribed_fields(call)
    page.fields = wanted
    page.failing_since = None
    return {"success": True}


def reachable_pages(call: Call, token: Token) -> list[Page]:
    """Every page of the person, by an own role or through a business."""
    return [page for page in call.run.world.pages.values() if reaches(call, token, page)]


def reaches(call: Call, token: Token, page: Page) -> bool:
    """True when the page is among the reachable ones of the token's person."""
    business = call.run.world.businesses.get(page.business or "")
    return token.person in page.people or (business is not None and token.person in business.people)


def _subscribed_fields(call: Call) -> set[str]:
    value = call.params.get("subscribed_fields")
    names = value if isinstance(value, list) else str(value or "").split(",")
    wanted = {str(name).strip() for name in names if str(name).strip()}
    if not wanted:
        raise bad_parameter("The parameter subscribed_fields is required.")
    unknown = wanted - WEBHOOK_FIELDS - PAGE_FACTS
    if unknown:
        raise bad_parameter(f"Param subscribed_fields has an invalid field: {sorted(unknown)[0][:60]}")
    return wanted


def _ad_account_row(call: Call, account: AdAccount) -> Json:
    promoted = [{"id": page.id} for page in call.run.world.pages.values() if page.ad_account == account.id]
    row: Json = {"id": account.id, "account_id": account.id[4:], "name": account.name, "currency": account.currency}
    return {**row, "promote_pages": {"data": promoted}}


def _person(call: Call, token: Token) -> Person:
    person = call.run.world.people.get(token.person or "")
    if person is None:
        raise object_gone("me")
    return person


def _business(call: Call, token: Token) -> Business:
    business = call.run.world.businesses.get(call.segments[0])
    if business is None or token.person not in business.people:
        raise object_gone(call.segments[0])
    return business


def _page_rows(call: Call, token: Token, pages: list[Page]) -> Json:
    rows = [(page.id, page) for page in pages]
    limit = call.limit()
    default = "access_token,category,name,id,tasks"
    answer = cursor_page(call, [(key, {"id": key}) for key, _ in rows], limit)
    chosen = answer["data"] if isinstance(answer["data"], list) else []
    by_id = dict(rows)
    answer["data"] = [_page_row(call, token, by_id[row["id"]], default) for row in chosen]
    return answer


def _page_row(call: Call, token: Token, page: Page, default: str) -> Json:
    wanted = call.fields(default)
    row: Json = {"id": page.id, "name": page.name, "tasks": list(page.tasks), "category": "Local business"}
    if page.business is not None:
        row["business"] = {"id": page.business, "name": call.run.world.businesses[page.business].name}
    if "access_token" in wanted:
        row["access_token"] = call.run.world.page_token(token, page).value
    return choose({**row, **linked_account(call.run, token, page, wanted)}, wanted)
