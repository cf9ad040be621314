"""What is audited of background jobs: names of actions with sentences that say what happened."""

from __future__ import annotations

from nxfs.core.messages import Text

ACTIONS = {
    "jobs.job_cancelled": Text("Cancelled a background job.", "Avbrøt en bakgrunnsjobb."),
    "jobs.job_retried": Text("Tried a background job again.", "Prøvde en bakgrunnsjobb på nytt."),
}
