"""The control API's part that puts people, businesses, pages and customers into the world."""

from standin.accounts import WEBHOOK_FIELDS
from standin.jsonish import BadBody, Json, as_dict, number_or_none, objects, text, text_or_none, texts, whole_or_none
from standin.state import PAGE_TASKS, TOKEN_LIFE_MS, AdAccount, Business, Page, Person, World

TIMINGS = ("echo_ms", "delivery_ms", "read_ms")


def add_people(world: World, body: object) -> Json:
    """Login users of the dialogue."""
    found = [Person(text(item, "id"), text(item, "name", "Person")) for item in objects(body)]
    world.people.update({person.id: person for person in found})
    return {"people": [{"id": person.id, "name": person.name} for person in found]}


def add_businesses(world: World, body: object) -> Json:
    """Business portfolios with their people."""
    found = []
    for item in objects(body):
        people = set(texts(item, "people"))
        _check_people(world, people)
        found.append(Business(text(item, "id"), text(item, "name", "Business"), people))
    world.businesses.update({business.id: business for business in found})
    return {"businesses": [{"id": business.id, "name": business.name} for business in found]}


def add_pages(world: World, body: object) -> Json:
    """Pages with their owners and ad accounts; gives each page's control token."""
    rows: list[Json] = []
    for item in objects(body):
        page = _page(world, item)
        old = world.pages.get(page.id)
        if old is not None:
            page.customers = old.customers
        world.pages[page.id] = page
        token = world.control_token(page, text_or_none(item, "access_token"))
        rows.append({"id": page.id, "access_token": token.value})
    return {"pages": rows}


def add_customers(world: World, body: object) -> Json:
    """Customers of pages, with the window and the opt-in as asked; no webhook leaves."""
    rows: list[Json] = []
    for item in objects(body):
        page = world.pages.get(text(item, "page"))
        if page is None:
            raise BadBody(f"unknown page {text(item, 'page')}")
        customer = world.customer(page, text(item, "psid"))
        customer.first_name = text(item, "first_name", customer.first_name)
        customer.last_name = text(item, "last_name", customer.last_name)
        ago_s = number_or_none(item, "wrote_s_ago")
        if ago_s is not None:
            customer.last_action_ms = world.now_ms() - int(ago_s * 1000)
        customer.echo_ms = whole_or_none(item, "echo_ms")
        customer.delivery_ms = whole_or_none(item, "delivery_ms")
        customer.read_ms = whole_or_none(item, "read_ms")
        customer.own_timing = frozenset(name for name in TIMINGS if name in item)
        row: Json = {"page": page.id, "psid": customer.psid}
        optin = as_dict(item.get("optin"))
        if optin is not None:
            title, payload = text(optin, "title", "News and offers"), text(optin, "payload", "OPTIN")
            token = world.add_optin(customer, title, payload, "UTC", TOKEN_LIFE_MS)
            row["notification_messages_token"] = token.value
        rows.append(row)
    return {"customers": rows}


def subscribed(value: object) -> set[str]:
    """`true` means every field, a list these fields, nothing none."""
    if value is True:
        return set(WEBHOOK_FIELDS)
    if isinstance(value, list):
        return {str(name) for name in value}
    return set()


def _page(world: World, item: Json) -> Page:
    people = set(texts(item, "people"))
    _check_people(world, people)
    business = text_or_none(item, "business")
    if business is not None and business not in world.businesses:
        raise BadBody(f"unknown business {business}")
    relation = text(item, "relation", "owned")
    if relation not in ("owned", "client"):
        raise BadBody("relation must be owned or client")
    tasks = texts(item, "tasks")
    return Page(
        id=text(item, "id"),
        name=text(item, "name", "Page"),
        people=people,
        business=business,
        relation=relation,
        ad_account=_ad_account(world, as_dict(item.get("ad_account"))),
        tasks=tuple(tasks) if tasks else PAGE_TASKS,
        fields=subscribed(item.get("subscribed")),
        callback_url=text_or_none(item, "callback_url"),
    )


def _ad_account(world: World, item: Json | None) -> str | None:
    if item is None:
        return None
    given = text(item, "id")
    account_id = given if given.startswith("act_") else f"act_{given}"
    currency = text(item, "currency", world.config.currency)
    world.ad_accounts[account_id] = AdAccount(account_id, text(item, "name", account_id), currency)
    return account_id


def _check_people(world: World, people: set[str]) -> None:
    unknown = people - set(world.people)
    if unknown:
        raise BadBody(f"unknown person {sorted(unknown)[0]}")
