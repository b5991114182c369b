"""Second factors over GraphQL: only with the token of a sign-in, secrets shown once, attempts counted in aliases too."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.factors import AnApp, a_passkey, an_app
from tests.factories.tenants import AnOrganization, a_person, an_agency
from tests.schema.asking import ERRORS, codes
from tests.schema.strangers import Stranger

FACTORS = "{ factors { totpSince recoveryCodesLeft passkeys { id name } } }"
VERIFIED = "token sessionId ticket affiliations { organizationId }"
ROOT_FIELDS = {
    "totpEnroll": ("secret uri", {}),
    "totpConfirm": ("recoveryCodes factors { totpSince }", {"code": "123456"}),
    "totpDisable": ("factors { totpSince }", {"code": "123456"}),
    "recoveryCodesRegenerate": ("recoveryCodes", {}),
    "passkeyRename": ("passkey { id }", {"passkeyId": encode("pky", new_id()), "name": "x"}),
    "passkeyDelete": ("passkeyId", {"passkeyId": encode("pky", new_id())}),
}


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def ada(database: Database, agency: AnOrganization) -> AnAccount:
    """Somebody with an account and a role at the agency."""
    return await an_account(database, agency)


@pytest.fixture
def somebody(api: Api) -> Stranger:
    """A client without a token."""
    return Stranger(api)


def org(organization: AnOrganization) -> str:
    """Write an organization's id."""
    return encode("org", organization.id)


async def ticket_of(somebody: Stranger, person: AnAccount) -> str:
    """Prove the password; return the ticket for the second factor."""
    payload = await somebody.sign_in(person.email, person.password)
    assert payload["token"] is None
    assert payload["affiliations"] == []
    ticket: str = payload["secondFactorTicket"]
    return ticket


async def verify(somebody: Stranger, **input: Any) -> dict[str, Any]:
    """Try a second factor."""
    return await somebody.change("sessionVerify", VERIFIED, input)


async def test_an_app_is_set_up_asked_for_and_removed(
    api: Api, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    token = await somebody.token_of(ada, org(agency))
    begun = await somebody.change("totpEnroll", "secret uri", {}, token=token)
    app = AnApp(begun["secret"])
    made = await somebody.change(
        "totpConfirm", "recoveryCodes factors { recoveryCodesLeft }", {"code": app.code()}, token=token
    )
    ticket = await ticket_of(somebody, ada)
    entered = await verify(somebody, ticket=ticket, code=app.code(1), organizationId=org(agency))
    shown = (await api.ask(FACTORS, token=entered["token"])).data["factors"]
    code = made["recoveryCodes"][0]
    gone = await somebody.change(
        "totpDisable", "factors { totpSince recoveryCodesLeft }", {"recoveryCode": code}, token=entered["token"]
    )
    again = await somebody.sign_in(ada.email, ada.password, org(agency))

    assert begun["uri"].startswith("otpauth://totp/Switchboard:")
    assert (len(made["recoveryCodes"]), made["factors"]) == (10, {"recoveryCodesLeft": 10})
    assert shown["totpSince"] is not None
    assert (shown["recoveryCodesLeft"], shown["passkeys"]) == (10, [])
    assert gone["factors"] == {"totpSince": None, "recoveryCodesLeft": 0}
    assert again["token"] is not None


async def test_without_an_organization_the_second_step_lists_them_and_holds_the_proof(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    app, _ = await an_app(database, settings, ada)
    ticket = await ticket_of(somebody, ada)

    listed = await verify(somebody, ticket=ticket, code=app.code())
    entered = await verify(somebody, ticket=listed["ticket"], organizationId=org(agency))
    used = [
        await verify(somebody, ticket=one, organizationId=org(agency), code=app.code(1))
        for one in (ticket, listed["ticket"])
    ]

    assert (listed["token"], listed["sessionId"]) == (None, None)
    assert listed["affiliations"] == [{"organizationId": org(agency)}]
    assert entered["token"].startswith("swb_ses_")
    assert [codes(one) for one in used] == [["SIGN_IN_TICKET_INVALID"]] * 2
    found = (await api.ask("{ sessions { methods isCurrent } }", token=entered["token"])).data["sessions"]
    assert [one["methods"] for one in found if one["isCurrent"]] == [["PASSWORD", "TOTP"]]


async def test_nobody_acts_for_an_organization_that_is_not_theirs(
    database: Database, settings: Settings, ada: AnAccount, somebody: Stranger
) -> None:
    app, _ = await an_app(database, settings, ada)
    foreign = await an_agency(database)

    told = [
        codes(await verify(somebody, ticket=await ticket_of(somebody, ada), code=app.code(at), organizationId=wanted))
        for at, wanted in ((0, org(foreign)), (1, encode("org", new_id())))
    ]
    malformed = await verify(somebody, ticket=await ticket_of(somebody, ada), code=app.code(), organizationId="x")

    assert told == [["NOT_FOUND"], ["NOT_FOUND"]]
    assert codes(malformed) == ["NOT_FOUND"]


async def test_guesses_in_aliases_of_one_document_are_counted_each(
    database: Database, settings: Settings, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    app, _ = await an_app(database, settings, ada)
    tickets = [await ticket_of(somebody, ada) for _ in range(4)]
    wrong = app.wrong()
    fields = " ".join(
        f'a{at}: sessionVerify(input: {{ticket: "{ticket}", code: "{wrong}"}}) {{ token {ERRORS} }}'
        for at, ticket in enumerate(one for one in tickets for _ in range(4))
    )

    answer = await somebody.post({"query": f"mutation {{ {fields} }}"})
    told = [codes(one)[0] for one in answer.data.values()]
    right = await verify(somebody, ticket=tickets[3], code=app.code(), organizationId=org(agency))

    assert told == ["SIGN_IN_CODE_WRONG"] * 10 + ["SIGN_IN_TOO_MANY_ATTEMPTS"] * 6
    assert codes(right) == ["SIGN_IN_TOO_MANY_ATTEMPTS"]
    assert right["token"] is None


async def test_a_ticket_dies_with_its_fifth_wrong_code_also_in_aliases(
    database: Database, settings: Settings, ada: AnAccount, somebody: Stranger
) -> None:
    app, _ = await an_app(database, settings, ada)
    ticket, wrong = await ticket_of(somebody, ada), app.wrong()
    fields = " ".join(
        f'a{at}: sessionVerify(input: {{ticket: "{ticket}", code: "{wrong}"}}) {{ token {ERRORS} }}' for at in range(8)
    )

    answer = await somebody.post({"query": f"mutation {{ {fields} }}"})

    told = [codes(one)[0] for one in answer.data.values()]
    assert told == ["SIGN_IN_CODE_WRONG"] * 5 + ["SIGN_IN_TICKET_INVALID"] * 3


@pytest.mark.parametrize("field", sorted(ROOT_FIELDS))
async def test_tokens_of_programs_change_nothing_about_how_their_person_signs_in(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, somebody: Stranger, field: str
) -> None:
    person = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    selection, input = ROOT_FIELDS[field]

    refused = await somebody.change(field, selection, input, token=person.token)
    kind = f"{field[0].upper()}{field[1:]}Input"
    document = f"mutation($i: {kind}!) {{ {field}(input: $i) {{ {selection} }} }}"
    nobody = await somebody.post({"query": document, "variables": {"i": input}})
    shown = await api.ask(FACTORS, token=person.token)

    assert codes(refused) == ["SESSION_NEEDED"]
    assert nobody.codes == ["UNAUTHENTICATED"]
    assert shown.body["data"] is None


async def test_an_old_sign_in_needs_the_password(
    database: Database, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    token = await somebody.token_of(ada, org(agency))
    passkey_id = await a_passkey(database, ada.user_id)
    async with database.unscoped_system() as session:
        old = "UPDATE user_session SET created_at = created_at - interval '11 minutes' WHERE user_id = :u"
        await session.execute(text(old), {"u": ada.user_id})

    for field, selection, input in (
        ("totpEnroll", "uri", {}),
        ("recoveryCodesRegenerate", "recoveryCodes", {}),
        ("passkeyDelete", "passkeyId", {"passkeyId": passkey_id}),
    ):
        bare = await somebody.change(field, selection, input, token=token)
        wrong = await somebody.change(field, selection, {**input, "currentPassword": "not it"}, token=token)
        right = await somebody.change(field, selection, {**input, "currentPassword": PASSWORD}, token=token)

        assert (codes(bare), bare["userErrors"][0]["path"]) == (["SESSION_PROOF_NEEDED"], ["currentPassword"])
        assert codes(wrong) == ["PASSWORD_WRONG"]
        assert codes(right) == (["TOTP_NOT_SET_UP"] if field == "recoveryCodesRegenerate" else [])


async def test_people_see_rename_and_delete_their_own_passkeys_and_no_others(
    api: Api, database: Database, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    eve = await an_account(database, agency, name="Eve")
    hers, mine = await a_passkey(database, eve.user_id), await a_passkey(database, ada.user_id)
    token = await somebody.token_of(ada, org(agency))

    listed = (await api.ask("{ passkeys { id name transports lastUsedAt } }", token=token)).data["passkeys"]
    nodes = await api.ask("query($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": [mine, hers]}, token=token)
    renamed = await somebody.change(
        "passkeyRename", "passkey { name }", {"passkeyId": mine, "name": "Phone"}, token=token
    )
    foreign = [
        codes(await somebody.change(field, selection, {"passkeyId": one, **more}, token=token))
        for one in (hers, encode("pky", new_id()), mine.replace("pky", "ses"), "x")
        for field, selection, more in (
            ("passkeyRename", "passkey { name }", {"name": "Mine"}),
            ("passkeyDelete", "passkeyId", {}),
        )
    ]
    deleted = await somebody.change("passkeyDelete", "passkeyId", {"passkeyId": mine}, token=token)

    assert listed == [{"id": mine, "name": "Laptop", "transports": ["usb"], "lastUsedAt": None}]
    assert nodes.data["nodes"] == [{"id": mine}, None]
    assert renamed["passkey"] == {"name": "Phone"}
    assert foreign == [["NOT_FOUND"]] * 8
    assert deleted["passkeyId"] == mine
    assert (await api.ask("{ passkeys { id } }", token=token)).data["passkeys"] == []
