"""Schemathesis: every check on every operation, as an administrator."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.run import PhaseName
from schemathesis.schemas import BaseSchema
from schemathesis.transport.wsgi import WSGITransport
from sqlalchemy import update

from nxfs.auth.models import User
from nxfs.auth.service import authentication, sessions
from nxfs.core.transaction import transaction
from tests import services
from tests.factories.users import create_user

SETTINGS = Path(__file__).with_name("schemathesis.toml")
PHASES = {PhaseName.EXAMPLES, PhaseName.COVERAGE, PhaseName.FUZZING, PhaseName.STATEFUL_TESTING}


@pytest.fixture(autouse=True)
def socket_options_dropped(monkeypatch):
    """Drop options of sockets, which one of the checks passes to the transport for WSGI applications by mistake."""
    send = WSGITransport.send

    def send_without_options(self: WSGITransport, case: Any, **options: Any) -> Any:
        for name in ("max_redirects", "verify", "cert"):
            options.pop(name, None)
        return send(self, case, **options)

    monkeypatch.setattr(WSGITransport, "send", send_without_options)


@pytest.fixture(autouse=True)
def keys_used_once(monkeypatch):
    """Send a new key with each request: the same for two different ones is refused."""
    send = WSGITransport.send

    def send_with_new_key(self: WSGITransport, case: Any, **options: Any) -> Any:
        if "Idempotency-Key" in (case.headers or {}):
            case.headers["Idempotency-Key"] = str(uuid.uuid4())
        return send(self, case, **options)

    monkeypatch.setattr(WSGITransport, "send", send_with_new_key)


@pytest.fixture(autouse=True)
def writer_lock_of_threads(monkeypatch):
    """Give the cases, which a thread sends, a lock of their own: gevent's belongs to the thread that uses it first."""
    monkeypatch.setattr("nxfs.core.transaction._sqlite_writer", threading.RLock())


# It takes two minutes, and what it finds on one engine and for an administrator it would find for others too.
@pytest.mark.skipif(services.chosen_engine() != "sqlite", reason="Once, beside SQLite, is enough.")
@pytest.mark.parametrize("role", ["admin"])
def test_every_operation_as_each_role_keeps_the_contract(app, role):
    schema = schemathesis.openapi.from_wsgi("/schema/", app, config=SchemathesisConfig.from_path(SETTINGS))
    # The last administrator could not deactivate the own account.
    create_user(role="admin")
    schema.auth(refresh_interval=None)(live_session_of(app, create_user(role=role).id))
    phases, failures = run(schema)
    assert not failures, "\n\n".join(failures)
    assert phases == PHASES


def live_session_of(app: Flask, user_id: int) -> type:
    """Return an auth provider that signs in anew whenever a case has ended the session or deactivated the account."""

    class LiveSession:
        token = ""

        def get(self, case: Any, context: Any) -> str:
            with app.app_context():
                if not authentication.is_valid(self.token):
                    self.token = self._sign_in()
            return self.token

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {data}"

        def _sign_in(self) -> str:
            with transaction() as tx:
                tx.session.execute(update(User).where(User.id == user_id).values(is_active=True))
                return sessions.open_session(tx, tx.session.get_one(User, user_id)).access

    return LiveSession


def run(schema: BaseSchema) -> tuple[set[PhaseName], list[str]]:
    """Return the phases that ran and what failed in them."""
    phases: set[PhaseName] = set()
    failures: list[str] = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            phases.add(event.phase)
            failures += failures_of(event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(repr(event))
    return phases, failures


def failures_of(scenario: events.ScenarioFinished) -> Iterator[str]:
    """Yield the failed checks of a scenario, each with the request that shows it."""
    for checks in scenario.recorder.checks.values():
        for check in checks:
            if check.failure_info:
                failure = check.failure_info.failure
                where = f"{scenario.phase} {failure.operation}: {failure.title} ({check.name})"
                yield f"{where}\n{failure.message}\n{check.failure_info.code_sample}"
