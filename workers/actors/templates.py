"""Jobs of the template slice."""

from __future__ import annotations

from server.templates import service as templates
from server.templates.jobs import PlaceRelease
from workers.run import Actor, Run


async def place_release(run: Run, job: PlaceRelease) -> None:
    """Place one page; the service asks for the next in the same transaction, as a new job with attempts of its own."""
    async with run.begin() as uow:
        await templates.place_page(uow, job.release_id)
        await run.finish(uow)


ACTORS: dict[type, Actor] = {PlaceRelease: place_release}
