"""Tests of profiles: what others see of a user, read once a minute or after a change."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from nxfs.auth import queries
from nxfs.auth.models import User
from nxfs.core import clock, database
from nxfs.core.transaction import transaction
from nxfs.realtime import profiles as profiles_module
from nxfs.realtime.profiles import Profiles
from tests.factories.images import create_file
from tests.factories.users import create_user


def rename(user: User, name: str) -> None:
    """Change how the user is shown."""
    with transaction() as tx:
        tx.session.execute(update(User).where(User.id == user.id).values(display_name=name))


def test_profile_is_what_others_see(app):
    kari = create_user(username="kari", display_name="Kari Nordmann")
    ola = create_user(username="ola", display_name="")
    public_from = clock.now() - timedelta(minutes=1)
    picture = create_file(ola, name="0" * 32 + ".jpg", public_from=public_from)
    with transaction() as tx:
        tx.session.execute(update(User).where(User.id == ola.id).values(profile_picture_id=picture))
    with app.test_request_context(base_url="https://api.example.com"):
        shown = Profiles().get([kari.id, ola.id, 10**9])
    assert shown == {
        kari.id: {"user_id": kari.id, "username": "kari", "display_name": "Kari Nordmann", "profile_picture": None},
        ola.id: {
            "user_id": ola.id,
            "username": "ola",
            "display_name": "ola",
            "profile_picture": f"https://api.example.com/media/{'0' * 32}.jpg",
        },
    }


def test_address_of_a_picture_is_that_of_the_asker(app, monkeypatch):
    kari = create_user()
    picture = create_file(kari, public_from=clock.now() - timedelta(minutes=1))
    with transaction() as tx:
        tx.session.execute(update(User).where(User.id == kari.id).values(profile_picture_id=picture))
    profiles = Profiles()
    for host in ("https://one.example.com", "https://two.example.com"):
        with app.test_request_context(base_url=host):
            assert profiles.get([kari.id])[kari.id]["profile_picture"].startswith(f"{host}/media/")
    monkeypatch.setitem(app.config, "PUBLIC_URL", "https://public.example.com")
    assert profiles.get([kari.id])[kari.id]["profile_picture"].startswith("https://public.example.com/media/")


def test_profiles_that_are_missing_cost_one_statement_and_the_others_none(app):
    ids = [create_user().id for _ in range(5)]
    profiles = Profiles()
    profiles.get(ids[:2])
    counter = database.start_counting()
    assert profiles.get([]) == {}
    assert set(profiles.get(ids[:2])) == set(ids[:2])
    assert counter == [0]
    assert set(profiles.get(ids)) == set(ids)
    assert counter == [1]


def test_profile_is_read_anew_after_a_change_that_was_told(app):
    kari, profiles = create_user(display_name="Kari"), Profiles()
    profiles.get([kari.id])
    rename(kari, "Kari N.")
    assert profiles.get([kari.id])[kari.id]["display_name"] == "Kari"
    profiles.forget(kari.id)
    assert profiles.get([kari.id])[kari.id]["display_name"] == "Kari N."


def test_what_was_read_before_a_change_is_not_kept_after_it(app, monkeypatch):
    kari, profiles = create_user(display_name="Kari"), Profiles()
    read = queries.find_people

    def read_slowly(user_ids: list[int]) -> object:
        rows = read(user_ids)
        rename(kari, "Kari N.")
        profiles.forget(kari.id)
        return rows

    with monkeypatch.context() as patched:
        patched.setattr(queries, "find_people", read_slowly)
        profiles.get([kari.id])
    assert profiles.get([kari.id])[kari.id]["display_name"] == "Kari N."


def test_profile_is_kept_for_a_minute_only(app, monkeypatch):
    monkeypatch.setattr(profiles_module, "REMEMBERED_SECONDS", 0)
    kari, profiles = create_user(display_name="Kari"), Profiles()
    profiles.get([kari.id])
    rename(kari, "Kari N.")
    assert profiles.get([kari.id])[kari.id]["display_name"] == "Kari N."


@pytest.mark.parametrize("most", [1, 3])
def test_profiles_beyond_those_that_are_kept_are_shown_too(app, monkeypatch, most):
    monkeypatch.setattr(profiles_module, "MOST_REMEMBERED", most)
    ids = [create_user().id for _ in range(5)]
    assert set(Profiles().get(ids)) == set(ids)
