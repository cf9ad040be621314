"""Optimistic concurrency: what ``If-Match`` asks for, free of HTTP, so that services can check it under the lock."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nxfs.core.errors import PreconditionFailedError


@dataclass(frozen=True)
class Precondition:
    """The versions a writer has seen; ``None`` when the writer did not say."""

    versions: frozenset[int] | None = None

    @classmethod
    def from_header(cls, value: str | None) -> Precondition:
        """Read an ``If-Match`` header: ``*`` or entity tags, the number before the dash is the version."""
        if value is None or value.strip() == "*":
            return cls()
        return cls(frozenset(int(number) for number in re.findall(r'"(\d{1,18})-[^"]*"', value)))

    def require(self, version: int) -> None:
        """Raise ``PreconditionFailedError`` unless ``version`` is one that the writer has seen."""
        if self.versions is not None and version not in self.versions:
            raise PreconditionFailedError(details={"version": version})


NO_PRECONDITION = Precondition()
