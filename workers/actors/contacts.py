"""Actors of contacts: they compose contacts with channels and the platform."""

from __future__ import annotations

from server.channels import service as channels
from server.contacts import service as contacts
from server.contacts.jobs import ReadProfile
from server.kit import log
from server.platforms.port import PlatformCallFailed, Profile
from workers.run import Actor, Run

_logger = log.get(__name__)


async def read_profile(run: Run, job: ReadProfile) -> None:
    """Ask the platform for a person's name. A name is a comfort: when it cannot be had, nothing else suffers."""
    async with run.begin_read() as uow:
        page = await channels.page_ref(uow, job.page_id)
        credentials = await channels.credentials(uow, job.page_id)
    told: Profile | None = None
    try:
        told = await run.registry.of(page.channel).read_profile(credentials, job.external_id)
    except PlatformCallFailed as failure:
        if failure.retryable and run.claimed.attempts < run.claimed.max_attempts:
            raise
        _logger.info("no profile to be had", contact_id=str(job.contact_id), reason=failure.reason.value)
    async with run.begin() as uow:
        if told is not None:
            await contacts.set_profile(uow, job.contact_id, told.name, told.first_name)
        await run.finish(uow)


ACTORS: dict[type, Actor] = {ReadProfile: read_profile}
