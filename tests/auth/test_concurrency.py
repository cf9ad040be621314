"""What many do at the same time: against the real server, and the event loop while passwords are hashed."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import gevent
import pytest
import requests
from sqlalchemy import create_engine, insert, text, update

from nxfs.auth.models import APIToken, PasswordReset
from nxfs.auth.service import api_tokens, sessions, token_use
from nxfs.core import clock
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests import services
from tests.factories.users import PASSWORD, create_api_token, create_user
from tests.server import ServerProcess

AUTH = "/api/auth"
ACCOUNT = {"email": "kari@example.com", "username": "kari", "password": "gule-gummistøvler-39"}
SIGN_IN = {"email": ACCOUNT["email"], "password": ACCOUNT["password"]}
LONGEST_STALL_SECONDS = 0.1


@pytest.fixture(scope="module")
def servers(engine_name, tmp_path_factory):
    """Two processes of the real server on one database, with one account."""
    directory = tmp_path_factory.mktemp("servers")
    is_sqlite = engine_name == "sqlite"
    url = f"sqlite:///{directory / 'nxfs.db'}" if is_sqlite else services.new_postgresql_database()
    environment = {"SECRET_KEY": "a-key-for-two-servers-0123456789-abcdef"}
    with ServerProcess(url, directory, environment=environment, migrate=True) as first:
        with ServerProcess(url, directory, environment=environment) as second:
            assert post(first, "/register/", ACCOUNT).status_code == 201
            first.database_url = url
            yield first, second


def post(server, path, body, **headers):
    return requests.post(f"{server.url}{AUTH}{path}", json=body, headers=headers, timeout=60)


def in_parallel(number, function):
    """Return what ``function`` returns for 0 to ``number`` - 1, called at the same time."""
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(function, range(number)))


def query(server, statement):
    engine = create_engine(server.database_url)
    with engine.connect() as connection:
        rows = connection.execute(text(statement)).all()
    engine.dispose()
    return rows


def test_twenty_parallel_refreshes_of_one_token_all_succeed_and_leave_one_live_token(servers):
    pair = post(servers[0], "/token/", SIGN_IN).json()
    answers = in_parallel(20, lambda number: post(servers[number % 2], "/token/refresh/", {"refresh": pair["refresh"]}))
    assert Counter(answer.status_code for answer in answers) == {200: 20}
    assert len({answer.json()["refresh"] for answer in answers}) == 1
    assert len({answer.json()["access"] for answer in answers}) == 20
    newest = "SELECT max(id) FROM user_sessions"
    [(live,)] = query(
        servers[0], f"SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL AND session_id = ({newest})"
    )
    assert live == 1
    for answer in answers:
        headers = {"Authorization": f"Bearer {answer.json()['access']}"}
        assert requests.get(f"{servers[0].url}{AUTH}/me/", headers=headers, timeout=60).status_code == 200


def test_clients_that_refresh_in_a_storm_stay_signed_in(servers):
    token = post(servers[0], "/token/", SIGN_IN).json()["refresh"]

    def refresh_three_times(number):
        current = token
        for step in range(3):
            answer = post(servers[(number + step) % 2], "/token/refresh/", {"refresh": current})
            assert answer.status_code == 200
            current = answer.json()["refresh"]
        return current

    last = in_parallel(8, refresh_three_times)
    assert {post(servers[0], "/token/refresh/", {"refresh": each}).status_code for each in last} == {200}


def test_changes_of_one_account_at_the_same_time_do_not_wait_for_each_other_in_a_circle(servers):
    account = {"email": "busy@example.com", "username": "busy", "password": ACCOUNT["password"]}
    post(servers[0], "/register/", account)
    name = {"email": account["email"], "password": account["password"]}
    pairs = [post(servers[0], "/token/", name).json() for _ in range(8)]

    def act(number):
        pair = pairs[number % 8]
        headers = {"Authorization": f"Bearer {pair['access']}"}
        server = servers[number % 2]
        new = f"gule-gummistøvler-{number}"
        passwords = {"old_password": ACCOUNT["password"], "new_password": new, "confirm_password": new}
        actions = (
            lambda: post(server, "/token/refresh/", {"refresh": pair["refresh"]}),
            lambda: requests.patch(f"{server.url}{AUTH}/me/", json={"city": new}, headers=headers, timeout=60),
            lambda: requests.delete(f"{server.url}{AUTH}/sessions/", headers=headers, timeout=60),
            lambda: post(server, "/token/", name),
            lambda: post(server, "/token/", {**name, "password": "wrong password"}),
            lambda: post(server, "/me/password/", passwords, **headers),
            lambda: post(server, "/password/reset/", {"email": account["email"]}),
        )
        return actions[number % len(actions)]().status_code

    assert max(in_parallel(42, act)) < 500, servers[0].log()[-6000:] + servers[1].log()[-6000:]


@pytest.mark.skipif(
    services.chosen_engine() == "sqlite", reason="SQLite has one writer at a time, and no locks of rows."
)
def test_locking_an_updated_user_does_not_wait_for_others_new_rows_that_refer_to_it(app):
    user_id = create_user().id
    now = clock.now()
    with app.app_context(), transaction() as tx, db.engine.begin() as other:
        sessions.touch_user(tx, user_id)
        other.execute(
            insert(PasswordReset).values(user_id=user_id, token_hash="a" * 64, created_at=now, expires_at=now)
        )
        tx.session.execute(text("SET LOCAL lock_timeout = '5s'"))
        assert sessions.lock_user(tx, user_id).id == user_id


@pytest.mark.skipif(
    services.chosen_engine() == "sqlite", reason="SQLite has one writer at a time, and no locks of rows."
)
def test_uses_of_tokens_are_written_while_the_tokens_are_revoked(app):
    user = create_user()
    problems = []

    def repeat(act):
        with app.app_context():
            for _ in range(40):
                try:
                    act()
                except Exception as error:
                    problems.append(repr(error))

    def write():
        for token_id in sorted(token_ids, reverse=True):
            token_use._noted[token_id] = (clock.now(), None)
        token_use.write()

    def revoke():
        with transaction() as tx:
            api_tokens.revoke_tokens(tx, user.id, actor_id=None)
            tx.session.execute(update(APIToken).values(revoked_at=None))

    token_ids = [create_api_token(user)[0] for _ in range(20)]
    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(repeat, act) for act in (write, revoke)]:
            each.result()
    assert problems == []


def test_parallel_guesses_do_not_get_more_than_five_tries(servers):
    wrong = {"email": "guessed@example.com", "password": "wrong password"}
    answers = in_parallel(24, lambda number: post(servers[number % 2], "/token/", wrong))
    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 19}


def test_sixteen_parallel_sign_ins_of_one_user_all_succeed(servers):
    answers = in_parallel(16, lambda _: post(servers[0], "/token/", SIGN_IN))
    assert Counter(answer.status_code for answer in answers) == {200: 16}


def test_parallel_registrations_of_one_name_make_one_account(servers):
    body = {"email": "same@example.com", "username": "same", "password": "gule-gummistøvler-39"}
    answers = in_parallel(8, lambda number: post(servers[number % 2], "/register/", body))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}


def test_logout_counts_in_every_process_within_a_second(servers):
    pair = post(servers[0], "/token/", SIGN_IN).json()
    headers = {"Authorization": f"Bearer {pair['access']}"}
    with requests.Session() as other:
        assert other.get(f"{servers[1].url}{AUTH}/me/", headers=headers, timeout=60).status_code == 200
        post(servers[0], "/logout/", {"refresh_token": pair["refresh"]})
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            answer = other.get(f"{servers[1].url}{AUTH}/me/", headers=headers, timeout=60)
            if answer.status_code == 401:
                assert answer.json()["error"]["code"] == "TOKEN_REVOKED"
                return
    pytest.fail("still let in after a second")


def test_sixteen_parallel_sign_ins_leave_the_event_loop_free(app):
    users = [create_user() for _ in range(16)]
    stalls = []

    def tick():
        while True:
            # The time that the loop's thread computed: what other processes take of a busy machine does not count.
            started = time.thread_time()
            gevent.sleep(0.001)
            stalls.append(time.thread_time() - started)

    def sign_in(user):
        body = {"email": user.email, "password": PASSWORD}
        return app.test_client().post("/api/auth/token/", json=body).status_code

    ticker = gevent.spawn(tick)
    sign_ins = [gevent.spawn_later(number / 200, sign_in, user) for number, user in enumerate(users)]
    gevent.joinall(sign_ins, timeout=60)
    ticker.kill()
    assert [each.value for each in sign_ins] == [200] * 16
    assert max(stalls, default=LONGEST_STALL_SECONDS) < LONGEST_STALL_SECONDS
