"""Actors of sign-in: mails that people wait for."""

from __future__ import annotations

from server.auth import service as auth
from server.auth.jobs import SendInvitation
from server.auth.mail import MailUndeliverable, deliver
from server.kit import log
from workers.run import Actor, Run

_logger = log.get(__name__)


async def send_invitation(run: Run, job: SendInvitation) -> None:
    """Commit the link's hash, then mail the link. A repetition makes a new link, which ends the one before."""
    async with run.begin() as uow:
        mail = await auth.write_invitation(uow, run.settings, job.invitation_id)
    if mail is None:
        return
    try:
        await deliver(run.runtime.database, run.settings, mail)
    except MailUndeliverable as failure:
        if not failure.is_final:
            raise
        _logger.info("an invitation was refused by its address", invitation_id=str(job.invitation_id))
        async with run.begin() as uow:
            await auth.note_bounced(uow, job.invitation_id)
            await run.finish(uow)
        return
    async with run.begin() as uow:
        await auth.note_mailed(uow, job.invitation_id)
        await run.finish(uow)


ACTORS: dict[type, Actor] = {SendInvitation: send_invitation}
"""By the class of their job."""
