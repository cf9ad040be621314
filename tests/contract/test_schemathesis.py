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


def fresh_sessions_of(app: Flask, user_id: int) -> type:
    """Return an auth provider that signs in anew for each case.

    So no case suffers from what another one did to the account or to its sessions.
    """

    class FreshSession:
        def get(self, case: Any, context: Any) -> str:
            with app.app_context(), transaction() as tx:
                tx.session.execute(update(User).where(User.id == user_id).values(is_active=True))
                return sessions.open_session(tx, tx.session.get_one(User, user_id)).access

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {data}"

    return FreshSession


@schemathesis.hook("before_call")
def drop_socket_options(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Drop what the transport for WSGI applications does not know and one of the checks passes to it."""
    for name in ("max_redirects", "verify", "cert"):
        kwargs.pop(name, None)


@pytest.mark.parametrize("role", ["anonymous", "user", "admin"])
def test_every_operation_as_each_role_keeps_the_contract(app, role):
    schema = schemathesis.openapi.from_wsgi("/schema/", app, config=SchemathesisConfig.from_path(SETTINGS))
    if role != "anonymous":
        user = create_user(role=role)
        schema.auth(refresh_interval=None)(fresh_sessions_of(app, user.id))
    failures: list[str] = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(str(event))
        elif isinstance(event, events.ScenarioFinished) and event.status in (Status.FAILURE, Status.ERROR):
            for checks in event.recorder.checks.values():
                failures += [f"{event.phase} {event.label} {c.name} {c.failure_info.failure.title} {c.failure_info.failure.message}\n{c.failure_info.code_sample}" for c in checks if c.failure_info]
    assert not failures, "\n\n".join(failures)
