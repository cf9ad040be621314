"""Files in a bucket of Amazon S3 or of a server that speaks the same protocol."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.response import StreamingBody
from botocore.session import Session
from gevent import monkey

from nxfs.core.threads import run_in_thread
from nxfs.files.storage.incoming import make_incoming_directory, stale_files
from nxfs.files.storage.interface import (
    MissingObjectError,
    Reading,
    StorageError,
    StoredObject,
    check_key,
    check_prefix,
    is_key,
)

CONNECT_SECONDS = 5
READ_SECONDS = 20
ATTEMPTS = 3
# Connections beyond these are closed after use. To wait for one of them instead would let a few slow readers stop all.
CONNECTIONS_KEPT = 32
# More would be parsed at a stretch, while no other greenlet runs.
PAGE_SIZE = 500
BUFFER_BYTES = 64 * 1024

# Its DEBUG lines hold signed headers.
logging.getLogger("botocore").setLevel(logging.INFO)


class S3Storage:
    """Keeps files in ``bucket`` below ``prefix``; see ``Storage`` for the methods.

    The keys given here are the only ones used: neither the environment, nor files of the account, nor the metadata
    service of a cloud are asked. They have to allow to list, read, write and delete; without the right to list, the
    server does not tell that an object is missing. Raise ``ValueError`` if one of them is empty.
    """

    def __init__(
        self,
        bucket: str,
        *,
        access_key_id: str,
        secret_access_key: str,
        region: str,
        prefix: str = "",
        endpoint_url: str | None = None,
    ) -> None:
        if not access_key_id or not secret_access_key:
            raise ValueError("the access keys of S3 are missing")
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._incoming = Path(tempfile.gettempdir()) / f"nxfs-incoming-{os.geteuid()}"
        self._endpoint_url = endpoint_url
        self._region = region
        self._keys = {"aws_access_key_id": access_key_id, "aws_secret_access_key": secret_access_key}
        self._client: BaseClient | None = None
        # Taken in the threads of the pool only, where gevent's own would not wake one another.
        self._creation = monkey.get_original("threading", "Lock")()

    def save(self, key: str, source: Path) -> None:
        target = self._target(key)
        with _errors_translated(key), open(source, "rb", opener=_open_without_links) as file:
            digest = run_in_thread(hashlib.file_digest, file, _md5).digest()
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            # The server compares the digest and stores nothing if a byte is lost on the way.
            integrity = base64.b64encode(digest).decode()
            self._connected().put_object(**target, Body=file, ContentLength=size, ContentMD5=integrity)
            source.unlink()

    def open(self, key: str) -> Reading:
        size = self._size(key)
        return Reading(size, io.BufferedReader(_Download(self._reader(key), size), BUFFER_BYTES))

    def delete(self, key: str) -> None:
        target = self._target(key)
        with _errors_translated(key):
            self._connected().delete_object(**target)

    def exists(self, key: str) -> bool:
        try:
            self._size(key)
        except MissingObjectError:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        folder = self._prefix + check_prefix(prefix)
        with _errors_translated(folder):
            paginator = self._connected().get_paginator("list_objects_v2")
            pages = iter(
                paginator.paginate(Bucket=self._bucket, Prefix=folder, PaginationConfig={"PageSize": PAGE_SIZE})
            )
        while True:
            # Not around the loop: an error of whoever reads the list is none of the storage.
            with _errors_translated(folder):
                page = next(pages, None)
            if page is None:
                return
            for each in page.get("Contents", ()):
                key = each["Key"].removeprefix(self._prefix)
                if is_key(key):
                    yield StoredObject(key, each["Size"], each["LastModified"].astimezone(UTC))

    def incoming(self) -> Path:
        return make_incoming_directory(self._incoming)

    def stale_incoming(self, older_than_seconds: float) -> Iterator[Path]:
        return stale_files(self._incoming, older_than_seconds)

    def _target(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}

    def _size(self, key: str) -> int:
        target = self._target(key)
        with _errors_translated(key):
            try:
                return self._connected().head_object(**target)["ContentLength"]
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
                    raise
            # The answer to HEAD has no body that would tell a missing object from a missing bucket.
            found = self._connected().get_object(**target)
            found["Body"].close()
            return found["ContentLength"]

    def _reader(self, key: str) -> Callable[[int], StreamingBody]:
        target = self._target(key)

        def read_from(position: int) -> StreamingBody:
            with _errors_translated(key):
                answer = self._connected().get_object(**target, Range=f"bytes={position}-")
                if position and answer["ResponseMetadata"]["HTTPStatusCode"] != 206:
                    answer["Body"].close()
                    raise StorageError(f"the server does not send parts of {key}")
                return answer["Body"]

        return read_from

    def _connected(self) -> Any:
        if self._client is None:
            # botocore reads and builds its model of S3 then, which takes the processor for 150 ms and more.
            run_in_thread(self._ensure_client)
        return self._client

    def _ensure_client(self) -> None:
        with self._creation:
            if self._client is None:
                self._client = self._create_client()

    def _create_client(self) -> BaseClient:
        nothing = (None, None, os.devnull, None)
        # Name in files, variable, default, conversion: neither a variable nor a file of the account is looked at.
        session = Session(
            session_vars={"config_file": nothing, "credentials_file": nothing, "profile": (None, None, None, None)}
        )
        config = Config(
            region_name=self._region,
            signature_version="s3v4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS_KEPT,
            # Servers other than Amazon's refuse checksums that they do not know.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,
            s3={
                "addressing_style": "path" if self._endpoint_url else "auto",
                # The signature covers the digest of the content; the content itself would be hashed once more.
                "payload_signing_enabled": False,
            },
        )
        return session.create_client("s3", endpoint_url=self._endpoint_url, config=config, **self._keys)


class _Download(io.RawIOBase):
    """The bytes of an object from any position; ``read_from`` begins to send them from there to the end."""

    def __init__(self, read_from: Callable[[int], StreamingBody], size: int) -> None:
        self._read_from = read_from
        self._size = size
        self._position = 0
        self._body: StreamingBody | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        position = start + offset
        if position < 0:
            raise ValueError(f"negative position {position}")
        if position != self._position:
            self._hang_up()
            self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._position)
        if wanted <= 0:
            return 0
        try:
            with _errors_translated("the object"):
                if self._body is None:
                    self._body = self._read_from(self._position)
                data = self._body.read(wanted)
            if not data:
                raise StorageError("the object is shorter than the server said")
        except BaseException:
            self._hang_up()
            raise
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._hang_up()
        super().close()

    def _hang_up(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


@contextmanager
def _errors_translated(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code == "NoSuchKey":
            raise MissingObjectError(what) from error
        raise StorageError(f"S3 refused {what}: {code[:100]}") from error
    except (BotoCoreError, ResponseParserError, OSError) as error:
        raise StorageError(f"S3 failed for {what}: {type(error).__name__}") from error


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _open_without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)
