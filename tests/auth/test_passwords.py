"""The rules of passwords, and their hashes."""

from __future__ import annotations

import pytest

from nxfs.auth.errors import WeakPasswordError
from nxfs.auth.service import passwords

ABOUT = ("kari_n", "kari.nordmann@example.com", "Kari", "Nordmann")


@pytest.mark.parametrize(
    "password",
    ["12345678", "iloveyou", "ILOVEYOU", "Password1", "kari.nordmann", "Nordmann1", "nordmann@example.com", "x" * 129],
)
def test_password_that_breaks_a_rule_is_refused_under_the_field_given(password):
    with pytest.raises(WeakPasswordError) as refusal:
        passwords.require_good_password(password, about=ABOUT, field="new_password")
    assert list(refusal.value.field_errors) == ["new_password"]


@pytest.mark.parametrize("password", ["gule-gummistøvler-39", "x9!kwq2p", "🦄🦄🦄🦄 søt", "x" * 127 + "y", "    kryss"])
def test_password_that_breaks_no_rule_is_taken(password):
    passwords.require_good_password(password, about=ABOUT, field="password")


def test_password_that_breaks_two_rules_hears_of_both():
    with pytest.raises(WeakPasswordError) as refusal:
        passwords.require_good_password("kari", about=ABOUT, field="password")
    assert len(refusal.value.field_errors["password"]) == 2


def test_hash_matches_however_the_keyboard_composes_letters():
    password_hash = passwords.hash_password("blåbærgrøt")
    assert passwords.verify_password(password_hash, "bla\u030abærgrøt")
    assert not passwords.verify_password(password_hash, "blabærgrøt")


def test_hash_of_same_password_differs():
    assert passwords.hash_password("x9!kwq2p") != passwords.hash_password("x9!kwq2p")


def test_register_with_common_password_in_full_width_letters_is_refused(client):
    values = {"email": "kari@example.com", "username": "kari", "password": "ｐａｓｓｗｏｒｄ"}
    response = client.post("/api/auth/register/", json=values)
    assert (response.status_code, list(response.get_json()["error"]["field_errors"])) == (400, ["password"])
