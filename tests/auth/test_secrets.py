"""No secret of sign-in is found in the logs or in the database: passwords, cookies, tokens, links, tickets (G46, G47)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from urllib.parse import quote

from sqlalchemy import text

from server.auth import service as auth
from server.auth.rules import SignInMethod, TicketKind
from server.auth.service import tickets
from server.config import Settings
from server.kit import log
from server.kit.db import Database, Wall
from server.kit.ids import encode, new_id
from server.models import metadata
from tests.api import Api
from tests.auth.postbox import link_in, mails_to
from tests.factories.accounts import an_account
from tests.factories.tenants import AnOrganization, an_agency
from tests.schema.strangers import Stranger
from tests.tenancy.canaries import listening_to_logs
from tests.web.browsing import browsing


async def dump(database: Database, organization: AnOrganization) -> str:
    """Return every row of every table that this organization, or no organization, has; but for the mails themselves."""
    rows: list[str] = []
    for table in metadata.sorted_tables:
        if table.name == "dev_mail":
            continue
        is_system = table.info["wall"] is Wall.SYSTEM
        context = organization.scope.context(read_only=True)
        async with database.unscoped_system() if is_system else database.scoped(context) as session:
            rows += list(await session.scalars(text(f"SELECT one::text FROM {table.name} AS one")))
    return "\n".join(rows)


def written(secrets: Iterable[str]) -> dict[str, list[str]]:
    """Return each secret in the forms in which it could lie about: plain, as bytes in hexadecimal, base64, quoted."""
    return {
        one: [one, one.encode().hex(), base64.b64encode(one.encode()).decode().rstrip("="), quote(one, safe="")]
        for one in secrets
    }


async def everything_is_done(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, passwords: tuple[str, str, str]
) -> set[str]:
    """Let somebody use all that sign-in offers, and be refused; return every secret that was handed out."""
    first, second, wrong = passwords
    ada, somebody, handed_out = await an_account(database, agency), Stranger(api), set[str]()
    for password in (first, second):
        await auth.ask_for_reset(database, settings, auth.Caller("test", somebody.network), ada.email)
        link = link_in([one for one in await mails_to(database, settings, ada.email) if "/reset/" in one][-1])
        reset = await somebody.change("passwordReset", "isChanged", {"token": link, "newPassword": password})
        assert reset["isChanged"]
        handed_out.add(link)
    await somebody.sign_in(ada.email, wrong)
    handed_out.add((await somebody.sign_in(ada.email, second, encode("org", agency.id)))["token"])
    async with browsing(api) as browser:
        await browser.submit("/sign-in", email=ada.email, password=second)
        await browser.submit("/organizations", organization=encode("org", agency.id))
        await browser.get(f"/reset/{link}")
        handed_out |= {value for name, value in browser.cookies.items() if name != "switchboard_form"}
    async with database.unscoped_system() as session:
        kind, methods = TicketKind.SECOND_FACTOR, [SignInMethod.PASSWORD]
        handed_out.add(await tickets.issue_ticket(session, settings, kind, ada.user_id, methods))
    return handed_out


async def test_no_secret_of_sign_in_is_in_the_logs_or_in_the_database(
    api: Api, database: Database, settings: Settings
) -> None:
    # Given: somebody who uses everything, with passwords that are found again.
    agency, logger = await an_agency(database), log.get("test")
    first, second, wrong = (f"canary {word} {new_id().hex[-12:]}" for word in ("kettle", "ladder", "stone"))

    # When: it is all done, and somebody writes what they hold into the log.
    with listening_to_logs() as logged:
        handed_out = await everything_is_done(api, database, settings, agency, (first, second, wrong))
        for one in (secret for secret in handed_out if secret.startswith("swb_")):
            logger.warning("somebody is careless", path=f"/reset/{one}", what=f"cookie: {one}")

    # Then: none of it is anywhere, whole or in its random part.
    everything = await dump(database, agency)
    secrets = handed_out | {first, second, wrong}
    assert len(secrets) == 10
    assert "@example.test" in everything
    parts = secrets | {one[-43:] for one in secrets if one.startswith("swb_")}
    places = {"logs": "\n".join(logged), "tables": everything}
    forms = [form for several in written(parts).values() for form in several]
    assert {(place, form) for place, kept in places.items() for form in forms if form in kept} == set()
