"""Mail that people are owed: claimed one by one, written and given its secret at the last moment, sent, noted.

A row holds no secret, so none lies in the database or a backup before it is on its way; each attempt makes a new link, and
the one of an attempt that failed was seen by nobody but the mail server.
"""

from __future__ import annotations

from datetime import timedelta

from server.auth.mail import Mail, MailUndeliverable, deliver
from server.auth.repository import accounts as repository
from server.auth.repository.accounts import OwedMail
from server.auth.rules import MailPurpose, MailState, TicketKind
from server.auth.service.tickets import issue_ticket
from server.config import Settings
from server.kit import log
from server.kit.db import Database
from server.tenants.uow import system_scope

BATCH = 20
LEASE = timedelta(minutes=5)
"""How long a claimed mail is left alone: longer than a whole batch of calls that each run into their deadline."""
PATIENCE = timedelta(hours=24)
_FIRST_DELAY = timedelta(seconds=30)
_LONGEST_DELAY = timedelta(hours=1)

_logger = log.get(__name__)


async def send_owed(database: Database, settings: Settings) -> int:
    """Send what is due, at most 20 mails; return how many were claimed. Several processes may do it at once."""
    async with system_scope(database) as session:
        claimed = await repository.claim_mail(session, BATCH, LEASE)
    for owed in claimed:
        await _send(database, settings, owed)
    return len(claimed)


async def _send(database: Database, settings: Settings, owed: OwedMail) -> None:
    mail = await _written(database, settings, owed)
    try:
        await deliver(database, settings, mail)
    except MailUndeliverable as failure:
        await _note_failure(database, owed, failure)
        return
    async with system_scope(database) as session:
        await repository.finish_mail(session, owed.id, MailState.SENT)


async def _note_failure(database: Database, owed: OwedMail, failure: MailUndeliverable) -> None:
    async with system_scope(database) as session:
        if failure.is_final:
            await repository.finish_mail(session, owed.id, MailState.GIVEN_UP)
            is_over = True
        else:
            is_over = await repository.put_off_mail(session, owed.id, delay_after(owed.attempts), PATIENCE)
    tell = _logger.error if is_over else _logger.warning
    what = "a mail was given up" if is_over else "a mail has to wait"
    tell(what, mail=owed.id, purpose=owed.purpose.value, attempts=owed.attempts, reason=str(failure))


def delay_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: 30 s, doubling, at most an hour."""
    return min(_FIRST_DELAY * (1 << min(attempts - 1, 10)), _LONGEST_DELAY)


async def _written(database: Database, settings: Settings, owed: OwedMail) -> Mail:
    key = f"{owed.id}.{owed.attempts}"
    match owed.purpose:
        case MailPurpose.PASSWORD_RESET:
            async with system_scope(database) as session:
                token = await issue_ticket(session, settings, TicketKind.RESET, owed.user_id)
            link = f"{settings.web.public_url.rstrip('/')}/reset/{token}"
            text = (
                f"Hello {owed.name},\n\nsomebody asked to choose a new password for this address. If it was you, open\n\n"
                f"{link}\n\nwithin 30 minutes. The link works once. If it was not you, do nothing: nothing has changed.\n"
            )
            return Mail(owed.email, "Choose a new password", text, key)
        case MailPurpose.PASSWORD_CHANGED:
            text = (
                f"Hello {owed.name},\n\nthe password of your account was changed, and your other sign-ins have ended. If it "
                f"was not you, choose a new one at once:\n\n{settings.web.public_url.rstrip('/')}/reset\n"
            )
            return Mail(owed.email, "Your password was changed", text, key)
