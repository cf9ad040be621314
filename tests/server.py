"""The real server: gunicorn with the project's configuration, as a process that tests start, stop and kill."""

import contextlib
import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from nxfs.config import PROJECT_ROOT, default_values
from tests.services import free_port


class ServerProcess:
    """One server on a port of its own; a context manager that starts it and stops it.

    `database_url` and `environment` become its environment; settings of the surrounding environment and of `.env` do
    not reach it. With `migrate`, `flask db upgrade` runs before the first start. `directory` receives its log.
    """

    def __init__(
        self,
        database_url: str,
        directory: Path,
        *,
        environment: Mapping[str, str] | None = None,
        migrate: bool = False,
        application: str = "wsgi:app",
        ready_path: str = "/",
        start_seconds: float = 30,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = directory / f"server-{self.port}.log"
        self.environment = self._environment(database_url, environment or {})
        self.process: subprocess.Popen[bytes] | None = None
        self._migrate = migrate
        self._application = application
        self._ready_path = ready_path
        self._start_seconds = start_seconds

    def __enter__(self) -> Self:
        if self._migrate:
            self.flask("db", "upgrade")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_running():
            self.stop()

    def start(self) -> None:
        """Start the server and return when it answers; raise RuntimeError with its log if it does not."""
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", self._application]
        with self._open_log() as log:
            self.process = subprocess.Popen(
                command, cwd=PROJECT_ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + self._start_seconds
        while not self._answers():
            if not self.is_running() or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"The server did not start:\n{self.log()[-4000:]}")
            time.sleep(0.05)

    def stop(self, timeout: float = 35) -> int:
        """Ask the server to stop (SIGTERM), wait, and return its exit code; raise TimeoutError if it stays."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"The server did not stop within {timeout} s:\n{self.log()[-4000:]}") from None

    def kill(self) -> None:
        """End the server and its worker at once (SIGKILL), as a crash or a power cut would."""
        # It was started as the leader of a session, so its process group holds it and its worker only.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Stop the server if it runs, and start it again on the same port."""
        if self.is_running():
            self.stop()
        self.start()

    def is_running(self) -> bool:
        """Return whether the process exists."""
        return self.process is not None and self.process.poll() is None

    def flask(self, *arguments: str) -> str:
        """Run a `flask` command with the server's environment and return its output; raise RuntimeError if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            cwd=PROJECT_ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"flask {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def log(self) -> str:
        """Return what the server has written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def _environment(self, database_url: str, extra: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in default_values()}
        return inherited | {
            "DATABASE_URL": database_url,
            "FLASK_APP": "nxfs.app:create_app",
            "FLASK_SKIP_DOTENV": "1",
            "NXFS_ENV": "test",
            "PORT": str(self.port),
            "RATELIMIT_ENABLED": "false",
            "SECRET_KEY": secrets.token_urlsafe(48),
            **extra,
        }

    def _open_log(self) -> IO[bytes]:
        return self.log_path.open("ab")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", self._ready_path)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True
