"""Letters with which people get into their accounts, when somebody else created the account or reset its password."""

from __future__ import annotations

from datetime import timedelta

from nxfs.admin.errors import MailNotSetUpError
from nxfs.auth.models import User
from nxfs.auth.service import password_changes
from nxfs.core.messages import Text
from nxfs.core.settings import setting
from nxfs.core.transaction import Transaction

INVITATION_LIFETIME = timedelta(days=7)
RESET_LIFETIME = timedelta(days=1)
INVITATION_SUBJECT = Text("Your NXFS account", "NXFS-kontoen din")
INVITATION_BODY = Text(
    """Hello,

an account was created for you at NXFS. Your username is {name}. Choose your password here within seven days:

{link}

If the link no longer works, ask for a new one on the page for signing in.
""",
    """Hei,

det er opprettet en konto til deg på NXFS. Brukernavnet ditt er {name}. Velg passordet ditt her innen sju dager:

{link}

Hvis lenken ikke virker lenger, kan du be om en ny på innloggingssiden.
""",
)
RESET_SUBJECT = Text("Choose a new password", "Velg et nytt passord")
RESET_BODY = Text(
    """Hello {name},

an administrator has reset the password of your NXFS account, and signed you out everywhere. Choose a new one here
within a day:

{link}
""",
    """Hei {name},

en administrator har tilbakestilt passordet til NXFS-kontoen din og logget deg ut overalt. Velg et nytt her innen
et døgn:

{link}
""",
)


def require_mail() -> None:
    """Raise ``MailNotSetUpError`` in production when no letter could be sent; elsewhere the log says so."""
    if setting("NXFS_ENV") == "production" and not setting("SMTP_URL"):
        raise MailNotSetUpError


def invite(tx: Transaction, user: User) -> None:
    """Send a new user a link to choose the first password."""
    password_changes.send_link(tx, user, subject=INVITATION_SUBJECT, body=INVITATION_BODY, lifetime=INVITATION_LIFETIME)


def send_reset(tx: Transaction, user: User) -> None:
    """Send a user whose password was taken away a link to choose another one."""
    password_changes.send_link(tx, user, subject=RESET_SUBJECT, body=RESET_BODY, lifetime=RESET_LIFETIME)
