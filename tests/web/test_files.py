"""Files over HTTP: who may send and fetch which, and what is refused without being stored."""

from __future__ import annotations

from server.audit import service as audit
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.kit.pagination import PageArguments
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories.tenants import APerson, a_person
from tests.factories.trees import two_regions
from tests.schema.asking import change, codes
from tests.workshop import Workshop

CSV = b"external_code,name\n1,First\n"


async def _send(
    api: Api, unit: str, body: bytes, person: APerson | None, *, name: str = "shops.csv", media: str = "text/csv"
) -> tuple[int, dict[str, object]]:
    headers = {"content-type": media} | ({} if person is None else {"authorization": f"Bearer {person.token}"})
    answer = await api.http.post(f"{api.url}/files", params={"unit": unit, "name": name}, content=body, headers=headers)
    return answer.status_code, answer.json()


async def test_a_file_is_stored_fetched_and_imported(
    database: Database, settings: Settings, api: Api, workshop: Workshop
) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.root_id, Role.ADMIN)
    unit = encode("unit", tree.root_id)

    status, told = await _send(api, unit, CSV, admin, name='Geschäfte "1".csv')
    fetched = await api.http.get(f"{api.url}/files/{told['id']}", headers={"authorization": f"Bearer {admin.token}"})
    begun = await change(
        api,
        "unitImport",
        "operation { id state file { name } }",
        {"fileId": told["id"], "format": "CSV", "parentId": unit, "isDryRun": False},
        token=admin.token,
    )
    await workshop.settle(tree.id)
    ended = await api.ask(
        "query($id: ID!) { operation(id: $id) { state counts { name value } } }",
        {"id": begun["operation"]["id"]},
        token=admin.token,
    )

    assert (status, told["size"]) == (201, len(CSV))
    assert (fetched.status_code, fetched.content) == (200, CSV)
    assert fetched.headers["x-content-type-options"] == "nosniff"
    assert fetched.headers["content-disposition"] == (
        "attachment; filename=\"Gesch_fte _1_.csv\"; filename*=UTF-8''Gesch%C3%A4fte%20%221%22.csv"
    )
    assert (begun["operation"]["state"], begun["operation"]["file"]["name"]) == ("QUEUED", 'Geschäfte "1".csv')
    assert ended.data["operation"]["state"] == "SUCCEEDED"
    assert {"name": "created", "value": 1} in ended.data["operation"]["counts"]
    async with begin_read(database, tree.scope) as uow:
        acts = [one.action for one in (await audit.list_events(uow, PageArguments(first=4))).items]
    assert acts == ["unit:import:end", "unit:import:start", "file:self:read", "file:self:store"]


async def test_an_import_is_asked_for_with_a_key_and_only_once_with_the_same_one(
    database: Database, settings: Settings, api: Api
) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.root_id, Role.ADMIN)
    unit = encode("unit", tree.root_id)
    _, told = await _send(api, unit, CSV, admin)
    wanted = {"fileId": told["id"], "format": "CSV", "parentId": unit, "isDryRun": True}

    first, second = [
        await change(api, "unitImport", "operation { id }", wanted, token=admin.token, key="once") for _ in range(2)
    ]
    bare = await api.ask(
        "mutation($i: UnitImportInput!) { unitImport(input: $i) { operation { id } } }",
        {"i": wanted},
        token=admin.token,
    )

    assert first == second
    assert bare.codes == ["IDEMPOTENCY_REQUIRED"]


async def test_what_cannot_be_stored_is_refused_with_a_code(database: Database, settings: Settings, api: Api) -> None:
    tree, other = await two_regions(database), await two_regions(database)
    admin = await a_person(database, settings, tree, tree.units["north"], Role.ADMIN)
    manager = await a_person(database, settings, tree, tree.units["north"], Role.MANAGER)
    north, south = encode("unit", tree.units["north"]), encode("unit", tree.units["south"])

    async def refused(unit: str, person: APerson | None, **more: str) -> tuple[int, object]:
        status, told = await _send(api, unit, CSV, person, **more)
        return status, told["error"]["code"]  # type: ignore[index]

    assert await refused(north, None) == (401, "unauthenticated")
    assert await refused(north, manager) == (403, "permission_denied")
    for foreign in (south, encode("unit", tree.root_id), encode("unit", other.root_id), "unit_", "", "../x"):
        assert await refused(foreign, admin) == (404, "not_found")
    assert await refused(north, admin, media="text/html") == (415, "unsupported_media_type")
    assert await refused(north, admin, name="") == (400, "invalid_input")
    assert await refused(north, admin, name="a\r\nb") == (400, "invalid_input")
    status, told = await _send(api, north, b"x" * (settings.web.max_file_bytes + 1), admin)
    assert (status, told["error"]["code"]) == (413, "payload_too_large")  # type: ignore[index]


async def test_a_file_is_not_there_for_who_does_not_reach_its_unit_and_denied_to_who_may_not_read_it(
    database: Database, settings: Settings, api: Api
) -> None:
    tree, other = await two_regions(database), await two_regions(database)
    admin = await a_person(database, settings, tree, tree.units["north"], Role.ADMIN)
    manager = await a_person(database, settings, tree, tree.units["north"], Role.MANAGER)
    sibling = await a_person(database, settings, tree, tree.units["south"], Role.ADMIN)
    foreign = await a_person(database, settings, other, other.root_id, Role.OWNER)
    _, told = await _send(api, encode("unit", tree.units["north"]), CSV, admin)

    async def fetch(person: APerson, id_: object) -> tuple[int, str]:
        answer = await api.http.get(f"{api.url}/files/{id_}", headers={"authorization": f"Bearer {person.token}"})
        return answer.status_code, answer.json()["error"]["code"]

    assert await fetch(manager, told["id"]) == (403, "permission_denied")
    for person in (sibling, foreign):
        assert await fetch(person, told["id"]) == (404, "not_found")
        wanted = {
            "fileId": told["id"],
            "format": "CSV",
            "parentId": encode("unit", tree.units["south"] if person is sibling else other.root_id),
            "isDryRun": True,
        }
        assert codes(await change(api, "unitImport", "operation { id }", wanted, token=person.token)) == ["NOT_FOUND"]
    assert await fetch(admin, encode("file", new_id())) == (404, "not_found")
    assert await fetch(admin, "nonsense") == (404, "not_found")
    bare = await api.http.get(f"{api.url}/files/{told['id']}")
    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer")
