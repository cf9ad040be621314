"""Tests of work at intervals: it runs at once and again, late rather than never, and a failure does not end it."""

from __future__ import annotations

import subprocess
import sys

from nxfs.config import PROJECT_ROOT

# In a process of its own, patched as the server is.
PROGRAM = """
from gevent import monkey
monkey.patch_all()
import os, time
from nxfs.app import create_app
from nxfs.config import Config
from nxfs.core import clock, scheduler
from nxfs.core.scheduler import Scheduled
from nxfs.core.settings import setting
app = create_app(Config.from_environment(
    {"NXFS_ENV": "test", "SECRET_KEY": "k" * 40, "DATABASE_URL": "sqlite:///:memory:", "LOG_LEVEL": "ERROR"}))
runs, failures, rare, together, most = [], [], [], [0], [0]
def work():
    together[0] += 1
    most[0] = max(most[0], together[0])
    runs.append(setting("NXFS_ENV"))
    time.sleep(0.25)
    together[0] -= 1
def fail():
    failures.append(1)
    raise RuntimeError("this time not")
running = scheduler.start(app, (
    Scheduled("work", work, seconds=0.1), Scheduled("fail", fail, seconds=0.1),
    Scheduled("rare", lambda: rare.append(1), seconds=86400)))
deadline = time.monotonic() + 40
while (len(runs) < 4 or len(failures) < 5 or not rare) and time.monotonic() < deadline:
    time.sleep(0.02)
running.shutdown(wait=False)
print(len(runs) >= 4, len(failures) >= 5, len(rare), most[0], set(runs))
"""


def test_jobs_run_at_once_and_again_whatever_happens():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=90
    )
    # What is due once a day has run as well: at once.
    assert done.stdout.splitlines()[-1] == "True True 1 1 {'test'}", done.stdout + done.stderr
