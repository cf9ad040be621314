"""The web process with hasty leases, and with entries that write into the audit log which server runs them."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from importlib import import_module

import nxfs.app
from nxfs.core import leadership
from nxfs.core.scheduler import Scheduled
from nxfs.core.transaction import transaction
from tests import audited


def _write(name: str) -> None:
    with transaction() as tx:
        # The parent of the process that serves is the one that tests started.
        tx.audit(f"test.{name}", actor_id=None, changes={"server": [None, os.getppid()]})


leadership.LEASE = timedelta(seconds=3)
leadership.MARGIN = timedelta(seconds=1)
leadership.RENEWAL_SECONDS = 0.5
nxfs.app.AUDIT_ACTIONS = (*nxfs.app.AUDIT_ACTIONS, audited.ACTIONS)
nxfs.app.SCHEDULE = (
    Scheduled("test.often", partial(_write, "often"), seconds=0.25),
    Scheduled("test.rarely", partial(_write, "rarely"), seconds=86400),
    Scheduled("test.everywhere", partial(_write, "everywhere"), seconds=0.25, in_every_process=True),
)
# It starts what it is told to when it is imported.
app = import_module("wsgi").app
