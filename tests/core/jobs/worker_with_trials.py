"""The real worker.py as tests start it: with a kind of jobs that can be counted, and leases that soon run out."""

from gevent import monkey

monkey.patch_all()

import os
import runpy
import time
from datetime import timedelta

from nxfs import app
from nxfs.config import PROJECT_ROOT
from nxfs.core.jobs import leases
from nxfs.core.transaction import transaction
from tests import audited
from tests.core.jobs.trial import note_step, trial

STEPS = 4


def run(job):
    """Take some steps, each of which lasts, from wherever the job is, and remember who was there."""
    workers = job.checkpoint.get("workers", [])
    for number in range(job.checkpoint.get("position", 0) + 1, STEPS + 1):
        time.sleep(job.arguments["seconds"])
        workers = sorted({*workers, os.getpid()})
        with transaction() as tx:
            note_step(tx, job.id * 10 + number)
            job.save(tx, done=number, checkpoint={"position": number, "workers": workers})
    return {"workers": workers}


leases.LEASE = timedelta(seconds=3)
leases.HEARTBEAT_SECONDS = 0.5
app.AUDIT_ACTIONS = (*app.AUDIT_ACTIONS, audited.ACTIONS)
app.JOBS = (trial(run, most_at_once=8),)
runpy.run_path(str(PROJECT_ROOT / "worker.py"), run_name="__main__")
