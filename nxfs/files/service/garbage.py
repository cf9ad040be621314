"""Collecting garbage without anybody watching: what ``flask media gc`` does, and what it must not do by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nxfs.core.errors import BusinessRuleError
from nxfs.core.messages import Text
from nxfs.files.service import upkeep
from nxfs.files.service.upkeep import Findings

# Nobody is in a hurry: what is younger than a day may still be wanted, by whoever puts back a database.
GRACE_SECONDS = 86_400
# So many strays are garbage; more than that, and more than there are files, and it is the rows that are missing.
MOST_STRAYS = 100

Progress = Callable[[int, int], object]


class TooManyStraysError(BusinessRuleError):
    """The storage has more files that no row knows than files that one does."""

    message = Text(
        "The database misses {count} stored files, more than it knows. Is it the right one? Then use flask media gc.",
        "Flere lagrede filer er ukjente for databasen ({count}) enn kjente. Er den riktig, bruk flask media gc.",
    )


def collect(progress: Progress) -> dict[str, Any]:
    """Delete what belongs to nothing and count anew; return how many there were of each kind.

    ``progress`` is called with how much is done and how much there is to do, about. Raises ``TooManyStraysError``
    before anything is deleted, ``StorageError``.
    """
    known = upkeep.count_files()
    steps = _Steps(progress, known)
    findings = upkeep.verify(grace_seconds=GRACE_SECONDS, progress=steps.advance)
    if len(findings.stray_keys) > max(MOST_STRAYS, known):
        raise TooManyStraysError(count=len(findings.stray_keys))
    counts = _counts_of(findings)
    steps.total = steps.done + sum(counts.values())
    upkeep.mend(findings, progress=steps.advance)
    return {**counts, "lost": len(findings.lost), "too_young": findings.too_young}


class _Steps:
    """Counts steps, and tells of them as "so many of so many"."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self.done, self.total = 0, total

    def advance(self, count: int) -> None:
        self.done += count
        self._progress(self.done, max(self.done, self.total))


def _counts_of(findings: Findings) -> dict[str, int]:
    """Return how many there are of each kind that is mended."""
    return {
        "stray": len(findings.stray_keys),
        "unreferenced": len(findings.unreferenced),
        "orphans": len(findings.orphans),
        "leftovers": len(findings.leftovers),
        "waiting": len(findings.waiting),
        "miscounted": len(findings.miscounted),
    }
