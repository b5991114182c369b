"""Mail to people: invitations, resets, warnings. Written by others as plain text; carried by SMTP.

Without an SMTP host, in development and in tests, mail is kept in the database and shown on a local page instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib

from server.auth.repository import mail as repository
from server.config import MailSettings, Settings
from server.kit.db import Database
from server.tenants.uow import system_scope


class MailUndeliverable(Exception):
    """The mail did not leave. `is_final` says that trying again cannot help, such as an address that is refused."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. `key` makes a repetition of the same mail recognisable (it becomes the Message-ID)."""

    to: str
    subject: str
    text: str
    key: str


@dataclass(frozen=True, slots=True)
class KeptMail:
    """One mail that was kept instead of sent."""

    to: str
    subject: str
    text: str
    at: datetime


async def newest(database: Database, size: int) -> Sequence[KeptMail]:
    """Return the newest mails that were kept, for the local page."""
    async with system_scope(database) as session:
        rows = await repository.newest(session, size)
    return [KeptMail(row.recipient, row.subject, row.body, row.created_at) for row in rows]


async def deliver(database: Database, settings: Settings, mail: Mail) -> None:
    """Hand the mail to the SMTP server; raise MailUndeliverable. Outside of production it may go to the local page.

    Called by workers, outside of any transaction: a server that answers late must not hold a row.
    """
    if settings.mail.host:
        await _send(settings.mail, mail)
        return
    if not settings.web.is_open_for_development:
        raise MailUndeliverable("no SMTP server is configured: set SMTP_HOST", is_final=False)
    async with system_scope(database) as session:
        await repository.keep(session, mail.to, mail.subject, mail.text)


async def _send(settings: MailSettings, mail: Mail) -> None:
    try:
        await aiosmtplib.send(
            _message(settings, mail),
            hostname=settings.host,
            port=settings.port,
            username=settings.user or None,
            password=settings.password.get_secret_value() or None,
            start_tls=settings.starts_tls,
            timeout=settings.timeout_s,
        )
    except aiosmtplib.SMTPResponseException as error:
        raise MailUndeliverable(f"the SMTP server answered {error.code}", is_final=500 <= error.code < 600) from error
    except aiosmtplib.SMTPRecipientsRefused as error:
        # 4xx is a "not now": greylisting answers so to every first try (RFC 6647).
        is_final = all(500 <= one.code < 600 for one in error.recipients)
        raise MailUndeliverable("the SMTP server refused the address", is_final=is_final) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise MailUndeliverable(f"the SMTP server was not reached: {type(error).__name__}", is_final=False) from error


def _message(settings: MailSettings, mail: Mail) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = settings.sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Message-ID"] = f"<{mail.key}@{settings.sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message
