"""Tokens: signed access tokens that any process can read, and opaque refresh tokens of which only hashes are kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import jwt
from flask_jwt_extended import JWTManager, create_access_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from nxfs.auth import lifetimes
from nxfs.core import clock
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.errors import AuthenticationRequiredError, TokenExpiredError
from nxfs.core.settings import setting

ALGORITHM = "HS256"
ACCESS_HEADER_TYPE = "at+jwt"
SETTINGS = {
    "JWT_ALGORITHM": ALGORITHM,
    "JWT_DECODE_ALGORITHMS": [ALGORITHM],
    "JWT_ENCODE_AUDIENCE": "nxfs-api",
    "JWT_DECODE_AUDIENCE": "nxfs-api",
    "JWT_ENCODE_ISSUER": "nxfs",
    "JWT_DECODE_ISSUER": "nxfs",
    # "Not before" adds nothing to "issued at" and refuses fresh tokens where clocks differ by a moment.
    "JWT_ENCODE_NBF": False,
    # A claim for cookies, which we do not use.
    "JWT_COOKIE_CSRF_PROTECT": False,
}


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says."""

    user_id: int
    session_id: int
    expires_at: datetime


def install(manager: JWTManager) -> None:
    """Let ``manager`` sign with the present key and accept the previous one too."""
    manager.encode_key_loader(_signing_key)
    manager.decode_key_loader(_verification_key)


def encode_access_token(*, user_id: int, session_id: int, session_expires_at: datetime, role: str = "user") -> str:
    """Return a new access token for who has the ``role``, which never outlives its session."""
    lifetime = min(lifetimes.access_lifetime(role), session_expires_at - clock.now())
    return create_access_token(
        str(user_id),
        expires_delta=lifetime,
        additional_claims={"sid": session_id},
        additional_headers={"typ": ACCESS_HEADER_TYPE, "kid": _key_id(_signing_key())},
    )


def decode_access_token(token: str) -> AccessClaims:
    """Return what ``token`` says.

    Raises ``TokenExpiredError``, and ``AuthenticationRequiredError`` when it means nothing to us.
    """
    try:
        claims = decode_token(token)
        if claims["type"] != "access":
            raise AuthenticationRequiredError
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        return AccessClaims(user_id=int(claims["sub"]), session_id=_identifier(claims["sid"]), expires_at=expires_at)
    except jwt.ExpiredSignatureError as error:
        raise TokenExpiredError from error
    except (jwt.PyJWTError, JWTExtendedException, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise AuthenticationRequiredError from error


def new_opaque_token() -> str:
    """Return a random token of 256 bits."""
    return secrets.token_urlsafe(32)


def hash_of(opaque_token: str) -> str:
    """Return the SHA-256 under which an opaque token is stored; such a token is random, so that no salt is needed."""
    return hashlib.sha256(opaque_token.encode()).hexdigest()


def successor_of(refresh_token: str, stored_hashes: Collection[str] | None = None) -> str | None:
    """Return the token that follows ``refresh_token`` in its session.

    It is derived, so that a token used twice within the grace window gets the same successor twice although only
    hashes are stored. With ``stored_hashes`` the successor is the one among them, derived with either key, if any.
    """
    for key in _keys("refresh-token"):
        digest = hmac.digest(key, refresh_token.encode(), "sha256")
        successor = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if stored_hashes is None or hash_of(successor) in stored_hashes:
            return successor
    return None


def _signing_key(_identity: Any = None) -> bytes:
    return _keys("access-token")[0]


def _verification_key(header: dict[str, Any], _claims: dict[str, Any]) -> bytes:
    if header.get("typ") != ACCESS_HEADER_TYPE:
        raise AuthenticationRequiredError
    for key in _keys("access-token"):
        if _key_id(key) == header.get("kid"):
            return key
    raise AuthenticationRequiredError


def _keys(purpose: str) -> list[bytes]:
    """Return the present key for ``purpose`` and, while keys are being exchanged, the previous one."""
    secrets_in_use = (setting("SECRET_KEY"), setting("SECRET_KEY_PREVIOUS"))
    return [_derive(secret, purpose) for secret in secrets_in_use if secret]


@lru_cache(maxsize=32)
def _derive(secret: str, purpose: str) -> bytes:
    # One key per purpose: what one of them signs means nothing to another.
    return hmac.digest(secret.encode(), f"nxfs {purpose}".encode(), "sha256")


@lru_cache(maxsize=32)
def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"key id" + key).hexdigest()[:8]


def _identifier(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LARGEST_IDENTIFIER:
        raise ValueError("not an id")
    return value
