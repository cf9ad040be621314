"""Who acts: the identity that guards hand to services, policies and the audit log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person, as plain values, so that no session or request is needed to ask about it."""

    id: int
    role: str
    username: str
    language: str = "en"
    session_id: int | None = None
    last_seen: datetime | None = None
    permissions: frozenset[str] = field(default_factory=frozenset)
    # The password is somebody else's choice: nothing but choosing another one is open.
    must_change_password: bool = False

    @property
    def is_admin(self) -> bool:
        """True for the role that sees and changes everything."""
        return self.role == "admin"

    @property
    def is_staff(self) -> bool:
        """True for staff and admins."""
        return self.role in ("staff", "admin")
