"""Users and their sessions, made without hashing so that tests are quick."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from flask.testing import FlaskClient

from nxfs.auth.models import APIToken, User
from nxfs.auth.queries import comparable
from nxfs.auth.service import api_tokens, sessions, tokens
from nxfs.auth.service.sessions import Grant
from nxfs.core import clock
from nxfs.core.transaction import transaction
from nxfs.extensions import db

PASSWORD = "correct horse battery"
PASSWORD_HASH = "$argon2id$v=19$m=19456,t=2,p=1$32YPaloN83w0a3EmkYZJAg$kvPAoV5XQ0i96mA1/nLHcwnN2wr8zaAWJ9zTrOyZJSE"

_numbers = count(1)


def create_user(**overrides: Any) -> User:
    """Return a new user with ``PASSWORD``; any column can be set, as ``role="admin"`` or ``is_active=False``."""
    username = overrides.pop("username", f"person-{next(_numbers)}")
    email = overrides.pop("email", f"{username}@example.com")
    user = User(
        username=username,
        username_key=comparable(username),
        email=email,
        email_key=comparable(email),
        **{"password_hash": PASSWORD_HASH, "display_name": username.title(), **overrides},
    )
    with transaction() as tx:
        tx.session.add(user)
    # Plain values, so that a test does not see what happens to the row later without asking for it.
    db.session.refresh(user)
    db.session.close()
    return user


def reload(user: User) -> User:
    """Return the user as the database has it now."""
    db.session.rollback()
    found = db.session.get_one(User, user.id, populate_existing=True)
    db.session.close()
    return found


def open_session(user: User) -> Grant:
    """Return the tokens of a new session of ``user``."""
    with transaction() as tx:
        return sessions.open_session(tx, user)


def sign_in(client: FlaskClient, user: User) -> dict[str, str]:
    """Return the headers that ``client`` sends as ``user``, of a new session."""
    return bearer(open_session(user).access)


def create_api_token(user: User, *scopes: str, **overrides: Any) -> tuple[int, str]:
    """Return the id of a new API token of ``user`` for ``scopes``, by default to read tasks, and the token."""
    token = f"{api_tokens.PREFIX}test-{next(_numbers)}"
    values = {"name": "Test", "expires_at": clock.now() + timedelta(days=1), "scopes": list(scopes or ["tasks:read"])}
    row = APIToken(user_id=user.id, token_hash=tokens.hash_of(token), **{**values, **overrides})
    with transaction() as tx:
        tx.session.add(row)
        tx.session.flush()
        return row.id, token


def bearer(access_token: str) -> dict[str, str]:
    """Return the headers that carry ``access_token``."""
    return {"Authorization": f"Bearer {access_token}"}
