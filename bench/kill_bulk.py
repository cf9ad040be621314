"""Kills the server at random moments of bulk updates and of jobs, and checks that each is done as a whole, and once.

    python -m bench.kill_bulk --engine sqlite|postgresql [--rounds N]

Every request has an Idempotency-Key. After the restart each is sent again: those that were done must be answered as
before, the others done. The lease of a killed job is declared over, but in the last round, where it is waited for.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random

from sqlalchemy import func, select, text, update

from bench import bulk_remains, kill, loading
from bench.bulk_clients import Client, Sender, status_of
from bench.bulk_remains import KIND, Batch, Stored
from nxfs.core import clock, search
from nxfs.core.jobs.models import UNFINISHED, Job
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.tasks.models import PRIORITIES, Task
from tests.server import ServerProcess
from tests.waiting import wait_until

CLIENTS = 2
# Their first day is one that no task has.
FIRST_DAY = date(2040, 1, 1)
JOB_SECONDS = 60
MOST_SHOWN = 20
# Of what a job has done, this many are changed again before another one goes on with it.
CORRECTED = 200
ADMIN_ID = 1


@dataclass(frozen=True)
class Extent:
    """How many tasks a batch has and how many a job; a client has half as many more tasks than a batch."""

    batch: int = 200
    job: int = 5_000
    longest_round: float = 2.0


SHORT = Extent(batch=120, job=1_500, longest_round=0.7)


@dataclass
class Report:
    """What the rounds came to. ``interrupted`` are jobs that the kill met between their beginning and their end."""

    rounds: int = 0
    answered: int = 0
    in_flight: int = 0
    in_flight_kept: int = 0
    interrupted: int = 0
    longest_wait: float = 0
    problems: list[str] = field(default_factory=list)


class Ordeal:
    """A server, the batches that were sent to it, and the checks of what is left of them after each kill."""

    def __init__(self, server: ServerProcess, extent: Extent, seed: int) -> None:
        self.report = Report()
        self.app = kill.application(server)
        self.batches: list[Batch] = []
        self._server = server
        self._extent = extent
        self._random = Random(seed)
        self._token = ""
        self._days = 0
        self._lock = threading.Lock()
        self._category_ids = kill.create_categories(server)
        self._job_lane, *self._lanes = self._create_tasks()

    def run_round(self, *, wait_for_lease: bool) -> None:
        """Send batches and a job, kill the server meanwhile, start it again, send all again, and check everything."""
        self.report.rounds += 1
        self._token = kill.sign_in(self._server)
        job = self._new_batch(self._job_lane, is_job=True)
        clients = [Client(self._server.port, self._token, self._endless(lane)) for lane in self._lanes]
        clients.append(Client(self._server.port, self._token, iter([job])))
        for client in clients:
            client.start()
        time.sleep(self._random.uniform(0, self._extent.longest_round))
        for client in clients:
            client.is_doomed = True
        self._server.kill()
        for client in clients:
            client.join()
        sent = [batch for client in clients for batch in client.sent]
        self.batches += sent
        self._note(client.failure for client in clients if client.failure)
        after_kill = self._read_when_quiet()
        self._note(self.judge_halves(after_kill))
        self.report.interrupted += any(each["state"] == "running" for each in after_kill.jobs.values())
        self._server.start()
        self._send_again(sent, after_kill)
        self._finish_job(job, wait_for_lease=wait_for_lease)
        with self.app.app_context():
            self._note(self.judge(bulk_remains.read()))

    def judge_halves(self, stored: Stored) -> list[str]:
        """Return a sentence for each thing in ``stored`` that no kill may leave."""
        return list(bulk_remains.find_halves(self.batches, stored))

    def judge(self, stored: Stored) -> list[str]:
        """Return a sentence for each thing in ``stored`` that is not as it must be once everything is done."""
        return [*self.judge_halves(stored), *bulk_remains.find_undone(self.batches, stored)]

    def send_again(self, batch: Batch, *, was_done: bool) -> Iterator[str]:
        """Send the batch again, and yield a sentence for whatever is wrong with the answer."""
        sender = Sender(self._server.port, self._token)
        status, body, is_replayed = sender.send(batch)
        sender.close()
        name = f"Batch {batch.due_date}, sent again,"
        if is_replayed != was_done:
            yield f"{name} {'is done again' if was_done else 'was not done, but has an answer'}."
        if status != status_of(batch):
            yield f"{name} was answered {status}: {body[:300]!r}"
        if batch.answer is not None and batch.answer != (status, body):
            yield f"{name} has another answer than before: {body[:300]!r}"
        batch.answer = status, body

    def _send_again(self, sent: Sequence[Batch], after_kill: Stored) -> None:
        jobs_before = sum(batch.is_job for batch in self.batches) - sum(batch.is_job for batch in sent)
        for batch in sent:
            was_done = len(after_kill.jobs) > jobs_before if batch.is_job else bool(after_kill.done_ids(batch))
            self.report.answered += batch.answer is not None
            self.report.in_flight += batch.answer is None
            self.report.in_flight_kept += batch.answer is None and was_done
            # Without an answer twice: the first time may be the one that does it.
            again = (False, True) if batch.answer is None and not was_done else (True,)
            for each in again:
                self._note(self.send_again(batch, was_done=each))

    def _finish_job(self, job: Batch, *, wait_for_lease: bool) -> None:
        with self.app.app_context():
            done_ids = bulk_remains.read().done_ids(job)
            db.session.remove()
        if done_ids:
            # Whoever did these once more would take the job's values for newer ones than these.
            chosen = self._random.sample(done_ids, min(CORRECTED, len(done_ids)))
            correction = self._new_batch(chosen, count=len(chosen))
            self.batches.append(correction)
            self._note(self.send_again(correction, was_done=False))
        began = time.monotonic()
        if not wait_for_lease:
            self._end_leases()
        wait_until(self._have_jobs_ended, JOB_SECONDS, "The job has not ended.")
        self.report.longest_wait = max(self.report.longest_wait, time.monotonic() - began)

    def _end_leases(self) -> None:
        with self.app.app_context(), transaction() as tx:
            is_lost = (Job.kind == KIND) & (Job.state == "running")
            past = {"lease_until": clock.now() - timedelta(seconds=1)}
            tx.session.execute(update(Job).where(is_lost).values(past).execution_options(synchronize_session=False))

    def _have_jobs_ended(self) -> bool:
        with self.app.app_context():
            unfinished = select(func.count()).where(Job.kind == KIND, Job.state.in_(UNFINISHED))
            count = db.session.scalar(unfinished)
            db.session.remove()
        return not count

    def _read_when_quiet(self) -> Stored:
        """Return what is stored once PostgreSQL has noticed that the server is gone: a commit may be on its way."""
        with self.app.app_context():
            if db.engine.dialect.name == "postgresql":
                wait_until(_are_we_alone, what="The killed server's connections stay.")
            stored = bulk_remains.read()
            db.session.remove()
        return stored

    def _endless(self, lane: Sequence[int]) -> Iterator[Batch]:
        while True:
            yield self._new_batch(lane)

    def _new_batch(self, lane: Sequence[int], *, count: int | None = None, is_job: bool = False) -> Batch:
        count = count or (self._extent.job if is_job else self._extent.batch)
        with self._lock:
            self._days += 1
            return Batch(
                key=str(uuid.UUID(int=self._random.getrandbits(128))),
                task_ids=self._random.sample(lane, count),
                due_date=(FIRST_DAY + timedelta(days=self._days)).isoformat(),
                priority=self._random.choice(PRIORITIES),
                category=sorted(self._random.sample(self._category_ids, self._random.randint(0, 2))),
                is_job=is_job,
            )

    def _create_tasks(self) -> list[range]:
        """Create the tasks of the jobs and of each client, and return their ids."""
        extent = self._extent
        sizes = [extent.job] + [extent.batch * 3 // 2] * CLIENTS
        lanes, first = [], 1
        for size in sizes:
            lanes.append(range(first, first + size))
            first += size
        title = "Task of a batch"
        texts = {"title": title, "title_key": search.sort_key(title), "search_title": search.document_of(title)}
        rows = ({"id": task_id, "user_id": ADMIN_ID, **texts} for task_id in range(1, first))
        with self.app.app_context(), db.engine.connect() as connection, connection.begin():
            loading.insert_rows(connection, Task.__table__, rows)
            loading.move_sequence(connection, Task.__table__)
        return lanes

    def _note(self, sentences: Iterator[str] | Sequence[str]) -> None:
        self.report.problems += [each for each in sentences if each not in self.report.problems]


def _are_we_alone() -> bool:
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    count = db.session.scalar(others)
    db.session.rollback()
    return not count


@contextmanager
def begin(engine: str, directory: Path, extent: Extent, seed: int) -> Iterator[Ordeal]:
    """Start a server on a new database of ``engine`` with tasks in it; stop it afterwards."""
    with kill.begin_server(engine, directory) as server:
        ordeal = Ordeal(server, extent, seed)
        try:
            yield ordeal
        finally:
            kill.let_go(ordeal.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rounds, print what they came to, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.kill_bulk", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        with begin(options.engine, Path(directory), Extent(), options.seed) as ordeal:
            for number in range(1, options.rounds + 1):
                ordeal.run_round(wait_for_lease=number == options.rounds)
                print(_summary(options.engine, ordeal.report), flush=True)
    for problem in ordeal.report.problems[:MOST_SHOWN]:
        print(problem)
    return 1 if ordeal.report.problems else 0


def _summary(engine: str, report: Report) -> str:
    return (
        f"{engine}: {report.rounds} rounds, {report.answered} answered, {report.in_flight} without an answer "
        f"({report.in_flight_kept} done), {report.interrupted} jobs interrupted, the longest wait for one "
        f"{report.longest_wait:.1f} s, {len(report.problems)} problems"
    )


if __name__ == "__main__":
    sys.exit(main())
