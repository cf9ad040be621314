"""Schemathesis: every check on every operation, as an anonymous visitor, a user and an administrator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from sqlalchemy import update

from nxfs.auth.models import User
from nxfs.auth.service import sessions
from nxfs.core.transaction import transaction
from tests.factories.users import create_user

SETTINGS = Path(__file__).with_name("schemathesis.toml")


class FreshSession:
    """Signs in anew for each case, so that no case suffers from what another did to the account or its sessions."""

    def __init__(self, app: Flask, user_id: int) -> None:
        self._app = app
        self._user_id = user_id

    def get(self, case: Any, context: Any) -> str:
        """Return an access token of a new session of the user, who is active again if a case has changed that."""
        with self._app.app_context(), transaction() as tx:
            tx.session.execute(update(User).where(User.id == self._user_id).values(is_active=True))
            return sessions.open_session(tx, tx.session.get_one(User, self._user_id)).access

    def set(self, case: Any, data: str, context: Any) -> None:
        """Send the token with the case."""
        case.headers["Authorization"] = f"Bearer {data}"


@pytest.mark.parametrize("role", ["anonymous", "user", "admin"])
def test_every_operation_as_each_role_keeps_the_contract(app, role):
    schema = schemathesis.openapi.from_wsgi("/schema/", app, config=SchemathesisConfig.from_path(SETTINGS))
    if role != "anonymous":
        user = create_user(role=role)
        schema.auth(refresh_interval=None)(lambda: FreshSession(app, user.id))
    failures: list[str] = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(str(event))
        elif isinstance(event, events.ScenarioFinished) and event.status in (Status.FAILURE, Status.ERROR):
            for checks in event.recorder.checks.values():
                failures += [f"{event.phase} {event.label} {c.name} {c.failure_info.failure.title} {c.failure_info.failure.message}\n{c.failure_info.code_sample}" for c in checks if c.failure_info]
    assert not failures, "\n\n".join(failures)
