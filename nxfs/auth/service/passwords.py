"""Passwords: their rules, and their hashes, made and checked in threads because each takes tens of milliseconds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from nxfs.auth.errors import COMMON_PASSWORD, SIMILAR_PASSWORD, WeakPasswordError
from nxfs.auth.models import User
from nxfs.core.messages import Text
from nxfs.core.threads import run_in_thread

SHORTEST = 8
LONGEST = 128
MOST_SIMILAR = 0.7
LENGTH = Text("Use {shortest} to {longest} characters.", "Bruk {shortest} til {longest} tegn.")

COMMON_PASSWORDS = frozenset(FREQUENCY_LISTS["passwords"])

# OWASP, Password Storage Cheat Sheet: the first choice for Argon2id.
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
# Checked when there is no account, so that the answer takes as long; its password was random and is known to nobody.
NOBODYS_HASH = "$argon2id$v=19$m=19456,t=2,p=1$Rr/yy3ow7+TRfduXCLmqMg$cGHR/koWIB5xeJIK6Qvax73TW/otPyhYTc8xtfKYHIQ"


def hash_password(password: str) -> str:
    """Return the hash to store; not inside a transaction, because other greenlets run meanwhile."""
    return run_in_thread(_hasher.hash, _normalised(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """True when ``password`` is the hashed one; without a hash it takes as long and is false."""
    is_right = run_in_thread(_matches, password_hash or NOBODYS_HASH, _normalised(password))
    return is_right and password_hash is not None


def needs_new_hash(password_hash: str) -> bool:
    """True when the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def require_good_password(password: str, *, about: Iterable[str], field: str) -> None:
    """Raise ``WeakPasswordError`` under the name ``field`` if ``password`` breaks a rule.

    Rules: 8 to 128 characters; not one of the 30,000 passwords used most, as counted for zxcvbn; not similar to one of
    ``about`` (username, e-mail address, names). Similar means a ratio of 0.7 or more in difflib, whole or by words:
    the rule of Django's UserAttributeSimilarityValidator.
    """
    broken = []
    # What is hashed is what has to be good: full-width letters become plain ones.
    password = _normalised(password)
    if not SHORTEST <= len(password) <= LONGEST:
        broken.append(LENGTH.fill(shortest=SHORTEST, longest=LONGEST))
    if password.casefold() in COMMON_PASSWORDS:
        broken.append(COMMON_PASSWORD)
    if any(_is_similar(password.casefold(), word) for text in about for word in _words(text)):
        broken.append(SIMILAR_PASSWORD)
    if broken:
        raise WeakPasswordError(field, *broken)


def names_of(user: User) -> tuple[str, ...]:
    """Return what the user's password may not be similar to."""
    return (user.username, user.email, user.first_name, user.last_name, user.display_name)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _normalised(password: str) -> str:
    # The same password can arrive composed or decomposed, depending on the keyboard (NIST SP 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password)


def _words(text: str) -> set[str]:
    lowered = text.casefold()
    return {word for word in (lowered, *re.split(r"\W+", lowered)) if word}


def _is_similar(password: str, word: str) -> bool:
    return SequenceMatcher(a=password, b=word).ratio() >= MOST_SIMILAR
