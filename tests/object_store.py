"""A throw-away server that speaks the protocol of S3, which lives exactly as long as the process that asked for it."""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from tests.services import KEEPER, START_SECONDS, free_port

REGION = "eu-north-1"


@dataclass(frozen=True)
class ObjectStore:
    """The server's address, and keys that it takes."""

    endpoint_url: str
    access_key_id: str = "test-key"
    secret_access_key: str = "test-secret"
    region: str = REGION

    @functools.cached_property
    def client(self) -> Any:
        """A client of the server, for what the application itself never does."""
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def new_bucket(self) -> str:
        """Return the name of a new, empty bucket."""
        name = f"nxfs-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": self.region})
        return name


@functools.cache
def object_store() -> ObjectStore:
    """Return the server, started at the first call and gone with the process."""
    directory = Path(tempfile.mkdtemp(prefix="nxfs-s3-"))
    port = free_port()
    keeper = subprocess.Popen(
        ["sh", "-c", KEEPER, "keeper", sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdin=subprocess.PIPE,
        cwd=directory,
        env={**os.environ, "DIRECTORY": str(directory), "STOP": "TERM"},
        start_new_session=True,
    )
    atexit.register(_dismiss, keeper)
    _wait_until_it_answers(f"http://127.0.0.1:{port}/moto-api/", directory / "log")
    return ObjectStore(f"http://127.0.0.1:{port}")


def _dismiss(keeper: subprocess.Popen[bytes]) -> None:
    keeper.communicate()


def _wait_until_it_answers(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    # Without the proxies of the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            return opener.open(url, timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"The server did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.05)
