"""Two server processes on one database: one of them runs what is due, the other one when the first is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tests import services
from tests.server import ServerProcess
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(services.chosen_engine() != "postgresql", reason="SQLite is for one process.")

APPLICATION = "tests.core.hasty_server:app"
RUNS = "SELECT (changes -> 'server' ->> 1)::int FROM audit_entries WHERE action = :action ORDER BY id"


@pytest.fixture
def engine() -> Iterator[Engine]:
    """The database of the two servers."""
    engine = create_engine(services.new_postgresql_database())
    yield engine
    engine.dispose()


def test_one_of_two_processes_runs_each_entry_and_the_other_follows_a_killed_one(
    engine: Engine, tmp_path: Path
) -> None:
    def runs(name: str) -> list[int]:
        with engine.connect() as connection:
            return list(connection.scalars(text(RUNS), {"action": f"test.{name}"}))

    def find(sql: str) -> object:
        with engine.connect() as connection:
            return connection.scalar(text(sql))

    url = engine.url.render_as_string(hide_password=False)
    with (
        ServerProcess(url, tmp_path, migrate=True, application=APPLICATION) as one,
        ServerProcess(url, tmp_path, application=APPLICATION) as other,
    ):
        servers = {server.process.pid: server for server in (one, other)}
        wait_until(lambda: set(runs("everywhere")) == set(servers))
        seen = len(runs("everywhere"))
        wait_until(lambda: len(runs("everywhere")) >= seen + 10)
        [leader] = set(runs("often"))
        assert runs("rarely") == [leader]
        wait_until(lambda: find("SELECT outcome FROM scheduled_runs WHERE name = 'test.rarely'") == "success")

        servers.pop(leader).kill()
        [(successor, survivor)] = servers.items()
        wait_until(lambda: runs("often")[-1] == successor, seconds=20)
        before = len(runs("often"))
        wait_until(lambda: len(runs("often")) >= before + 4)
        assert set(runs("often")[before:]) == {successor}
        # Once a day, whoever leads.
        assert runs("rarely") == [leader]
        assert survivor.stop() == 0
        assert find("SELECT run_count FROM scheduled_runs WHERE name = 'test.rarely'") == 1
        assert find("SELECT count(*) FROM leases") == 0, survivor.log()
