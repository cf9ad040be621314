"""Letters by SMTP, sent beside the request so that nobody waits for a mail server."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import parse_qs, unquote, urlsplit

import click
import structlog
from gevent.pool import Pool

from nxfs.core.settings import setting

TIMEOUT_SECONDS = 10
# A mail server that hangs must not collect greenlets without end.
MOST_UNDER_WAY = 50

log = structlog.get_logger("nxfs.mail")
_under_way = Pool(MOST_UNDER_WAY)


@dataclass(frozen=True)
class Letter:
    """A message to one person, in plain text."""

    recipient: str
    subject: str
    body: str


def send_later(letter: Letter) -> None:
    """Send ``letter`` in a greenlet of its own; a failure goes to the log. Without ``SMTP_URL`` nothing is sent.

    Then development prints the letter, and everywhere else the log says that mail is not set up.
    """
    url = setting("SMTP_URL")
    if not url:
        _report_missing_server(letter)
    elif _under_way.free_count() == 0:
        log.error("mail dropped, too many are under way", subject=letter.subject)
    else:
        _under_way.spawn(_send, letter, sender=setting("MAIL_FROM"), url=url)


def wait_until_sent(seconds: float = TIMEOUT_SECONDS) -> bool:
    """Wait for the letters under way; return whether none is left."""
    return bool(_under_way.join(timeout=seconds))


def _report_missing_server(letter: Letter) -> None:
    if setting("NXFS_ENV") == "development":
        # Not through the logger, which hides tokens: here the link with its token is the point.
        click.echo(f"Mail to {letter.recipient}: {letter.subject}\n\n{letter.body}")
    else:
        log.warning("mail is not set up, a letter was not sent; set SMTP_URL", subject=letter.subject)


def _compose(letter: Letter, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = _ascii_address(letter.recipient)
    message["Subject"] = letter.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip("> "))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.body)
    return message


def _ascii_address(address: str) -> str:
    """Return ``address`` with its domain as mail servers know it: ``blåbær.no`` is ``xn--blbr-roah.no``."""
    name, _, domain = address.rpartition("@")
    return f"{name}@{domain.encode('idna').decode()}"


def _send(letter: Letter, *, sender: str, url: str) -> None:
    try:
        message = _compose(letter, sender)
        with _connect(url) as server:
            server.send_message(message)
    except (OSError, MessageError, smtplib.SMTPException, ValueError) as error:
        # Not the error's text, which may hold the recipient.
        code = getattr(error, "smtp_code", None)
        log.error("mail not sent", subject=letter.subject, reason=type(error).__name__, smtp_code=code)


def _connect(url: str) -> smtplib.SMTP:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or 587, timeout=TIMEOUT_SECONDS)
    try:
        if parse_qs(parts.query).get("starttls", ["false"])[0].lower() in ("true", "1", "yes", "on"):
            server.starttls(context=ssl.create_default_context())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        server.close()
        raise
    return server
