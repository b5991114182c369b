"""The steps of an off-boarding that need nobody else: freezing, exporting, and removing the staff."""

from __future__ import annotations

from server.auth import leaving as auth
from server.auth.service import end_owned
from server.privacy.parts import ERASED
from server.privacy.service.export import export
from server.privacy.service.turns import ROWS_AT_ONCE, At, More, StepDone, Turn
from server.sends import leaving as sends
from server.tenants import departures
from server.tenants import service as tenants
from server.tenants.leaving import How, count_rows, erase_units
from server.tenants.uow import UnitOfWork


async def freeze(uow: UnitOfWork, at: At) -> Turn:
    """Cancel what is still queued. The claim passes it over since the call that began the off-boarding."""
    cancelled = await sends.cancel_queued(uow, at.unit_ids, ROWS_AT_ONCE)
    at.move(cancelled)
    at.note(sends_cancelled=at.step.done)
    return More() if cancelled == ROWS_AT_ONCE else StepDone()


async def export_all(uow: UnitOfWork, at: At) -> Turn:
    """Write the two files of the export, in one slice: a part of a file is no file."""
    unit = await tenants.unit(uow, at.row.left_unit_id)
    made = await export(uow, at.row.unit_id, at.unit_ids, unit.name)
    at.row.export_file_id, at.row.manifest_file_id = made.data.id, made.manifest.id
    at.move(sum(made.rows.values()))
    at.step.total = at.step.done
    at.note(
        files=[
            {"name": one.name, "bytes": one.size, "sha256": bytes(one.sha256 or b"").hex(), "rows": rows}
            for one, rows in ((made.data, dict(made.rows)), (made.manifest, {"media": made.media}))
        ]
    )
    return StepDone()


async def remove_staff(uow: UnitOfWork, at: At) -> Turn:
    """Take roles, tokens and everything else away that lets somebody act for these units, in one slice."""
    for part in ERASED:
        if part.how is How.STAFF and part.name != "membership":
            at.add(part.name, await erase_units(uow, part, at.unit_ids, None))
    staff = await departures.remove_staff(uow, at.unit_ids)
    at.add("membership", staff.memberships)
    removed = await auth.remove_tokens(uow, at.unit_ids, staff.deactivated_ids)
    apps = await auth.remove_apps(uow, at.unit_ids, staff.deactivated_ids)
    ended = await end_owned(uow, staff.deactivated_ids)
    await sends.cancel_queued(uow, at.unit_ids, ROWS_AT_ONCE)
    tenants.announce_access(uow)
    at.move(staff.memberships)
    at.step.total = at.step.done
    at.note(
        roles_removed=staff.memberships,
        people_deactivated=len(staff.deactivated_ids),
        tokens_deleted=removed.deleted,
        tokens_revoked=removed.revoked,
        apps_archived=apps.archived,
        apps_cut=apps.cut,
        app_grants_revoked=apps.grants_revoked,
        credentials_ended=ended,
        member_ids=[str(one) for one in staff.deactivated_ids],
    )
    return StepDone()


async def rows_left(uow: UnitOfWork, at: At) -> dict[str, int]:
    """Count what is still there of what should be gone."""
    counts = {part.name: await count_rows(uow, part, at.unit_ids) for part in ERASED}
    return {name: count for name, count in counts.items() if count}
