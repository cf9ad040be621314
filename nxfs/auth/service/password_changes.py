"""New passwords: chosen by who knows the old one, or with a link sent by mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, insert, literal, select, update

from nxfs.auth import queries
from nxfs.auth.errors import SAME_PASSWORD, ResetLinkInvalidError, WeakPasswordError, WrongPasswordError
from nxfs.auth.events import PasswordChanged
from nxfs.auth.models import PasswordReset, User
from nxfs.auth.service import lockout, passwords, sessions, tokens
from nxfs.auth.service.lockout import Attempt
from nxfs.auth.service.sessions import Grant
from nxfs.auth.service.sign_in import detached, refuse_password
from nxfs.core import clock, mail
from nxfs.core.actor import Actor
from nxfs.core.events import audience_of
from nxfs.core.mail import Letter
from nxfs.core.messages import Text, translate
from nxfs.core.settings import setting
from nxfs.core.transaction import Transaction, transaction

RESET_LIFETIME = timedelta(hours=1)
MOST_RESETS_AN_HOUR = 5
RESET_SUBJECT = Text("Choose a new password", "Velg et nytt passord")
RESET_BODY = Text(
    """Hello {name},

somebody, probably you, asked for a new password for your NXFS account. Choose it here within an hour:

{link}

If it was not you, there is nothing to do: your password stays as it is.
""",
    """Hei {name},

noen, sannsynligvis du, har bedt om et nytt passord til NXFS-kontoen din. Velg det her innen en time:

{link}

Hvis det ikke var deg, trenger du ikke gjøre noe: Passordet ditt forblir som det er.
""",
)


def change_password(*, actor: Actor, old_password: str, new_password: str) -> Grant:
    """Replace the actor's password, end all their sessions, and open a new one for the present client.

    Raises ``WrongPasswordError``, ``WeakPasswordError``, and ``TooManySignInsError`` as for a sign-in.
    """
    user = detached(queries.get_user(actor.id))
    attempt = Attempt.of(user.username, user)
    lockout.require_open(attempt)
    if not passwords.verify_password(user.password_hash, old_password):
        refuse_password(attempt, user, action="auth.password_change_failed")
        raise WrongPasswordError
    if old_password == new_password:
        raise WeakPasswordError("new_password", SAME_PASSWORD)
    passwords.require_good_password(new_password, about=passwords.names_of(user), field="new_password")
    new_hash = passwords.hash_password(new_password)
    with transaction() as tx:
        lockout.require_open(attempt)
        _forget_failures(tx, user)
        present = sessions.touch_user(tx, user.id, User.password_hash == user.password_hash)
        if present is None:
            raise WrongPasswordError
        replace_password(tx, present, new_hash, action="auth.password_changed", actor_id=actor.id)
        return sessions.open_session(tx, present)


def request_reset(*, email: str) -> None:
    """Send a link for a new password to the account's address, if there is an active account.

    Whether there is one shows in nothing, not even in the number of statements. After five links in an hour no more
    are sent, so that nobody's mailbox can be filled.
    """
    token = tokens.new_opaque_token()
    with transaction() as tx:
        tx.session.execute(_insert_reset(email, tokens.hash_of(token)))
        user = queries.find_reset_user(tokens.hash_of(token))
        outcome = "success" if user else "failure"
        tx.audit("auth.password_reset_requested", actor_id=None, target=user, outcome=outcome)
        if user is not None:
            letter = _letter(user, token, subject=RESET_SUBJECT, body=RESET_BODY)
            tx.after_commit(lambda: mail.send_later(letter))


def reset_password(*, token: str, password: str) -> None:
    """Set the password that a reset link asks for, and end all sessions.

    Raises ``ResetLinkInvalidError`` and ``WeakPasswordError``.
    """
    token_hash = tokens.hash_of(token)
    user = detached(queries.find_reset_user(token_hash))
    if user is None:
        raise ResetLinkInvalidError
    passwords.require_good_password(password, about=passwords.names_of(user), field="password")
    new_hash = passwords.hash_password(password)
    with transaction() as tx:
        _forget_failures(tx, user)
        present = sessions.touch_user(tx, user.id)
        if present is None or not _use_reset(tx, token_hash):
            raise ResetLinkInvalidError
        replace_password(tx, present, new_hash, action="auth.password_reset", actor_id=None)


def void_resets(tx: Transaction, user_id: int) -> None:
    """Make the user's reset links that are under way useless."""
    unused = (PasswordReset.user_id == user_id) & PasswordReset.used_at.is_(None)
    tx.session.execute(update(PasswordReset).where(unused).values(used_at=clock.now()))


def replace_password(
    tx: Transaction,
    user: User,
    new_hash: str,
    *,
    action: str,
    actor_id: int | None,
    must_change: bool = False,
    changes: dict[str, Any] | None = None,
) -> None:
    """Give ``user``, who is locked, another password, and end all sessions and links.

    With ``must_change`` the user has to choose another one before anything else. ``changes`` are audited.
    """
    user.password_hash = new_hash
    user.must_change_password = must_change
    void_resets(tx, user.id)
    sessions.end_sessions(tx, user.id, reason="password_changed", actor_id=actor_id)
    tx.emit(PasswordChanged(user_id=user.id, audience=audience_of(user_ids=[user.id])), actor_id=actor_id)
    tx.audit(action, actor_id=actor_id, target=user, changes=changes)


def send_link(tx: Transaction, user: User, *, subject: Text, body: Text, lifetime: timedelta) -> None:
    """Send a letter with a link to choose a password once the transaction has committed.

    ``body`` has places for ``name`` and ``link``. The link works once, during ``lifetime``.
    """
    token, now = tokens.new_opaque_token(), clock.now()
    row = PasswordReset(user_id=user.id, token_hash=tokens.hash_of(token), created_at=now, expires_at=now + lifetime)
    tx.session.add(row)
    letter = _letter(user, token, subject=subject, body=body)
    tx.after_commit(lambda: mail.send_later(letter))


def _forget_failures(tx: Transaction, user: User) -> None:
    lockout.forget_failures(tx, Attempt.of(user.username, user))


def _use_reset(tx: Transaction, token_hash: str) -> bool:
    """Mark the link as used; return False if it was used or ran out in the meantime."""
    now = clock.now()
    is_unused = PasswordReset.used_at.is_(None) & (PasswordReset.expires_at > now)
    statement = update(PasswordReset).where(PasswordReset.token_hash == token_hash, is_unused).values(used_at=now)
    return tx.session.scalar(statement.returning(PasswordReset.id)) is not None


def _insert_reset(email: str, token_hash: str) -> Any:
    now = clock.now()
    recent = (PasswordReset.user_id == User.id) & (PasswordReset.created_at > now - timedelta(hours=1))
    sent = select(func.count()).select_from(PasswordReset).where(recent).correlate(User).scalar_subquery()
    columns = {"token_hash": token_hash, "created_at": now, "expires_at": now + RESET_LIFETIME}
    types = PasswordReset.__table__.columns
    values = [literal(value, types[name].type).label(name) for name, value in columns.items()]
    is_entitled = (User.email_key == queries.comparable(email)) & User.is_active & (sent < MOST_RESETS_AN_HOUR)
    return insert(PasswordReset).from_select(["user_id", *columns], select(User.id, *values).where(is_entitled))


def _letter(user: User, token: str, *, subject: Text, body: Text) -> Letter:
    link = f"{setting('FRONTEND_URL')}/auth/reset?{urlencode({'token': token})}"
    # Not the display name: whoever registers somebody else's address could put a message of their own into the letter.
    filled = body.fill(name=user.username, link=link)
    return Letter(
        recipient=user.email,
        subject=translate(subject, user.language),
        body=translate(filled, user.language),
    )
