"""The certificate: what was exported, taken back and erased, what remains and why. Its digest stands in the audit chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import orjson

from server.audit import service as audit
from server.audit.actions import Action
from server.privacy.models import OffboardingRow, OffboardingStepRow, PlatformRevocationRow
from server.privacy.parts import PARTS, TREE
from server.privacy.repository import offboardings as repository
from server.privacy.rules import CERTIFICATE_KEPT_FOR, OffboardingState
from server.privacy.service.traces import Wanted, forget_traces
from server.privacy.service.turns import At, StepDone, Turn
from server.tenants import departures
from server.tenants import service as tenants
from server.tenants.leaving import How, erase_units
from server.tenants.models import StoredFileRow
from server.tenants.rules import Permission
from server.tenants.service import NewFile
from server.tenants.uow import UnitOfWork

FORMAT = "switchboard-offboarding-certificate-1"
_WORKING = frozenset({"phase", "table", "pages", "member_ids"})
"""Facts that the work needs and nobody else."""
_SAID_ONCE = frozenset({"carried_costs"})
"""Facts that only the certificate keeps."""


async def certify(uow: UnitOfWork, at: At) -> Turn:
    """Erase the place in the tree, write the certificate and end everything, in one slice."""
    late = await forget_traces(uow, Wanted(ids=frozenset([*at.unit_ids, *at.row.page_ids])))
    for table, count in late.counts().items():
        at.add(table, count)
    unit = await tenants.unit(uow, at.row.left_unit_id)
    name = unit.name
    uow.session.expunge(unit)
    for part in TREE:
        at.add(part.name, await erase_units(uow, part, at.unit_ids, None))
    at.step.ended_at = await uow.now()
    file = await issue(uow, at, is_final=True, unit_name=name)
    await departures.end(uow, at.unit_ids)
    await _forget_work(uow, at.row)
    digest = bytes(file.sha256 or b"").hex()
    result = {"file_id": str(file.id), "certificate_sha256": digest, "erased": await _erased(uow, at.row)}
    await tenants.advance(uow, at.row.operation_id, done=1)
    await tenants.finish(uow, at.row.operation_id, result)
    at.row.state, at.row.ended_at = OffboardingState.DONE, await uow.now()
    details = {"offboarding": str(at.row.id), "certificate_sha256": digest}
    await audit.record(uow, Action.CLIENT_OFFBOARD_END, at.row.left_unit_id, details)
    return StepDone()


async def issue(uow: UnitOfWork, at: At, *, is_final: bool, unit_name: str | None = None) -> StoredFileRow:
    """Write a certificate of what was done so far; one that is not final says until when the data is kept."""
    name = unit_name or (await tenants.unit(uow, at.row.left_unit_id)).name
    told = await _told(uow, at.row, name, is_final=is_final)
    body = orjson.dumps(told, option=orjson.OPT_INDENT_2)
    wanted = NewFile(
        at.row.unit_id,
        "certificate.json" if is_final else "certificate-of-retention.json",
        "application/json",
        CERTIFICATE_KEPT_FOR,
        Permission.UNIT_OFFBOARD,
    )
    file = await tenants.store_file(uow, wanted, _once(body))
    at.row.certificate_file_id = file.id
    if not is_final:
        details = {"offboarding": str(at.row.id), "retention_sha256": bytes(file.sha256 or b"").hex()}
        await audit.record(uow, Action.FILE_STORE, file.id, details)
    return file


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _told(uow: UnitOfWork, row: OffboardingRow, unit_name: str, *, is_final: bool) -> dict[str, object]:
    organization = await tenants.organization(uow)
    planned = await repository.steps(uow.session, uow.scope.organization_id, [row.id])
    revoked = await repository.revocations(uow.session, uow.scope.organization_id, row.id)
    return {
        "format": FORMAT,
        "is_final": is_final,
        "organization": {"id": row.organization_id, "name": organization.name},
        "unit": {"id": row.left_unit_id, "name": unit_name, "units": len(row.left_unit_ids)},
        "policy": row.policy.value,
        "retained_until": row.retained_until,
        "asked": {"by": row.actor_name, "by_id": row.actor_id, "at": row.created_at, "reason": row.reason},
        "issued_at": await uow.now(),
        "platforms": [_shown(one) for one in revoked],
        "steps": [_step(one) for one in planned],
        "remains": _remains(planned, is_final=is_final),
    }


def _shown(row: PlatformRevocationRow) -> dict[str, object]:
    return {
        "platform": row.channel.value,
        "what": row.target.value,
        "external_id": row.external_id,
        "outcome": row.outcome.value,
        "tries": row.tries,
        "detail": row.detail,
        "at": row.settled_at,
    }


def _step(row: OffboardingStepRow) -> dict[str, object]:
    facts = {name: value for name, value in row.facts.items() if name not in _WORKING}
    return {"name": row.name.value, "started_at": row.started_at, "ended_at": row.ended_at, **facts}


def _remains(planned: Sequence[OffboardingStepRow], *, is_final: bool) -> list[dict[str, object]]:
    kept: list[dict[str, object]] = [{"table": one.name, "why": one.note} for one in PARTS if one.how is How.STAYS]
    if not is_final:
        return [{"table": "*", "why": "kept out of everybody's sight until the date above"}, *kept]
    hashes = next((one.facts["suppression_hashes"] for one in planned if "suppression_hashes" in one.facts), 0)
    return [
        *kept,
        {"table": "erased_identity", "rows": hashes, "why": "see above; this many were added by this off-boarding"},
        {"table": "carried_cost", "why": "sums of money by month, for the books of the unit above"},
        {"table": "member", "why": "rows without name and address, where others worked with them"},
        {"table": "stored_file", "why": "the export, deleted 30 days after it was made, and this certificate"},
    ]


async def _erased(uow: UnitOfWork, row: OffboardingRow) -> int:
    total = 0
    for step in await repository.steps(uow.session, uow.scope.organization_id, [row.id]):
        erased = step.facts.get("erased")
        total += sum(erased.values()) if isinstance(erased, dict) else 0
    return total


async def _forget_work(uow: UnitOfWork, row: OffboardingRow) -> None:
    """Drop what only the work needed; from here on the certificate says it."""
    for step in await repository.steps(uow.session, uow.scope.organization_id, [row.id]):
        step.facts = {name: value for name, value in step.facts.items() if name not in _WORKING | _SAID_ONCE}
    await repository.forget_revocations(uow.session, uow.scope.organization_id, row.id)
    row.reason, row.left_unit_ids, row.page_ids = None, [], []
    await uow.session.flush()
