"""Where jobs run: in the web process, or in worker processes that are called over Redis. The table has the jobs."""

from __future__ import annotations

from flask import Flask

from nxfs.core import lifecycle
from nxfs.core.jobs import queue
from nxfs.core.jobs.runner import Runner


def start(app: Flask) -> None:
    """Run jobs in this process until it ends."""
    runner = Runner(app, workers=app.config["JOB_WORKERS"])
    runner.start()
    queue.hang_up_bell(app, runner.ring)
    lifecycle.at_stop(runner.stop)
