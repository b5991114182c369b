"""An organization with several objects of every kind that lists show."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from server.auth import service as auth
from server.channels.models import ConnectionRow
from server.channels.service import PageRef
from server.config import Settings
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.platforms.port import Attachment, MessageReceived, ParticipantsChanged
from server.templates import service as templates
from server.templates.models import TemplatePurpose
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.accounts import a_signed_in_person, user_of
from tests.factories.factors import a_passkey
from tests.factories.tenants import AnOrganization, APerson, an_agency
from tests.schema.hanging import ARGUMENTS, Hanging, document_along, ways
from tests.tenancy.world import Place, a_parting, a_world

PICTURE = Attachment("image", "https://platform.example.test/picture?signed=1", "The cake")
WORLDS = 6
TEXTS = 20
OF_ONE_PERSON = {"Session": "sessions", "Passkey": "passkeys"}


@dataclass(frozen=True, slots=True)
class Busy:
    """An agency in which everything exists many times, and the owner, who sees all of it."""

    database: Database
    settings: Settings
    organization: AnOrganization
    owner: APerson
    eloquent_id: UUID
    """A unit at which many templates are in force."""

    async def ask(self, api: Api, one: Hanging, first: int) -> str:
        """Ask for what hangs on the first objects of a list; return the answer's text."""
        return await self._ask(api, one.way, one.document, first)

    async def ids_of(self, api: Api, kind: str) -> list[str]:
        """Return ids of a type of objects: those that lists or the caller's own fields show, or that the tables hold."""
        if kind in OF_ONE_PERSON:
            answer = await api.ask(f"{{ {OF_ONE_PERSON[kind]} {{ id }} }}", token=self.owner.token)
            text = json.dumps(answer.data)
        elif kind == "ChannelConnection":
            async with begin_read(self.database, self.owner.scope) as uow:
                text = " ".join(
                    f'"{encode("con", one)}"' for one in await uow.session.scalars(select(ConnectionRow.id))
                )
        else:
            text = await self._ask(api, ways()[kind], document_along(ways()[kind], "id"), 100)
        return list(dict.fromkeys(re.findall(r'"([a-z]+_[0-9a-z]+)"', text)))

    async def _ask(self, api: Api, way: tuple[str, ...], document: str, first: int) -> str:
        variables: dict[str, object] = {"first": first}
        if way[0] in ARGUMENTS:
            variables["unit"] = encode("unit", self.eloquent_id)
        answer = await api.ask(document, variables, token=self.owner.token)
        return json.dumps(answer.data)


async def a_busy_agency(database: Database, settings: Settings) -> Busy:
    """Make an agency of many clients, each in full swing."""
    agency = await an_agency(database, WORLDS + 1)
    owner = await a_signed_in_person(database, settings, agency, agency.root_id, Role.OWNER)
    for name in ("telephone", "laptop"):
        await auth.start_session(database, settings, user_of(owner), (), name)
        await a_passkey(database, user_of(owner), name)
    *clients, eloquent_id = agency.units.values()
    for client_id in clients:
        place = Place(database, settings, agency, client_id, owner)
        talk = await a_world(place)
        await a_parting(place)
        await _a_crowd(database, agency, talk.page)
    await _well_worded(database, agency, eloquent_id)
    return Busy(database, settings, agency, owner, eloquent_id)


async def _a_crowd(database: Database, agency: AnOrganization, page: PageRef) -> None:
    """Let a group of people write to a page."""
    name = new_id().hex
    async with begin(database, agency.scope) as uow:
        now = await uow.now()
        group_id, *people = [await contacts.identify(uow, page, f"{who}-{name}") for who in ("group", "Grace", "Ida")]
        said = MessageReceived(f"group-{name}", f"m_{name}", "Like this?", (PICTURE,), now, writer=f"Grace-{name}")
        await inbox.receive_message(uow, page, group_id, said, people[0])
        there = ParticipantsChanged(f"group-{name}", (f"Grace-{name}", f"Ida-{name}"), True, now)
        await inbox.apply_participants(uow, page, group_id, people, there)


async def _well_worded(database: Database, agency: AnOrganization, unit_id: UUID) -> None:
    async with begin(database, agency.scope) as uow:
        for number in range(TEXTS):
            text = await templates.create_template(
                uow, unit_id=unit_id, name=f"A text {number}", purpose=TemplatePurpose.REPLY, body="Thank you."
            )
            release = await templates.release(uow, text.id, None, unit_id)
            await uow.flush()
            await templates.place_page(uow, release.id)
            await templates.override(uow, unit_id, text.id, "Thank you so much.")
