"""The page of ``/live/``: two people in two browsers, each of whom sees what the other does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from nxfs.core.event_log import EventRecord
from nxfs.tasks.models import Task
from tests.realtime.browser import Browser, Page
from tests.realtime.people import PASSWORD, Person

# What nobody touches any more is waited for no longer than this.
SECONDS = 10


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of this file."""
    with Browser() as browser:
        yield browser


def come_in(browser: Browser, person: Person, room: str) -> Page:
    """Sign in on a new page and go into a room."""
    page = browser.page()
    assert page.goto(f"{person.server.url}/live/") == 200
    page.fill("#name", person.email)
    page.fill("#password", PASSWORD)
    page.click("#sign-in button")
    page.wait_for_text("#state[data-state=live]", "Live")
    page.fill("#rooms", room)
    page.wait_for_text("#state[data-state=live]", "Live")
    page.wait_for_text("#members", f"{person.email.partition('@')[0]} (you)")
    return page


def wait_for_task(page: Page, title: str, *, completed: bool = False) -> None:
    """Wait until the page lists a task with this title, which is ticked off or not."""
    page.evaluate(f"""new Promise((resolve, reject) => {{
        const wanted = JSON.stringify({json.dumps([title, completed])});
        const deadline = Date.now() + {SECONDS * 1000};
        const look = () => {{
            const rows = [...document.querySelectorAll("#tasks li")].map((row) => [...row.querySelectorAll("input")]);
            const shown = rows.map(([box, title]) => JSON.stringify([title.value, box.checked]));
            if (shown.includes(wanted)) resolve(null);
            else if (Date.now() > deadline) reject(new Error(`${{wanted}} is not among ${{shown}}`));
            else setTimeout(look, 20);
        }};
        look();
    }})""")


def rename(page: Page, title: str) -> None:
    """Write another title for the first task, and leave the field."""
    page.evaluate("document.querySelector('#tasks .title').focus()")
    page.fill("#tasks .title", title)
    page.evaluate("document.querySelector('#tasks .title').blur()")


def name_of(person: Person) -> str:
    """Return the name that the page shows."""
    return person.email.partition("@")[0]


def test_what_one_person_does_appears_on_the_page_of_the_other(browser, newcomer):
    kari, ola = newcomer(), newcomer()
    project = kari.create_project(members=(ola,))
    room = f"project_{project['id']}"
    hers, his = come_in(browser, kari, room), come_in(browser, ola, room)
    # Whoever was there hears who comes; whoever comes sees who is there.
    hers.wait_for_text("#members", name_of(ola))
    hers.wait_for_text("#feed", f"{name_of(ola)} came in")
    his.wait_for_text("#members", name_of(kari))

    hers.fill("#title", "Order <b>cable</b>")
    hers.click("#create button")
    wait_for_task(his, "Order <b>cable</b>")
    his.wait_for_text("#feed", f"{name_of(kari)} created “Order <b>cable</b>”")
    his.click("#tasks input[type=checkbox]")
    wait_for_task(hers, "Order <b>cable</b>", completed=True)
    hers.wait_for_text("#feed", f"{name_of(ola)} completed")
    # It is her task, so she is notified as well.
    hers.wait_for_text("#toasts", f"{name_of(ola)} completed the task")
    rename(his, "Order a lot of cable")
    wait_for_task(hers, "Order a lot of cable", completed=True)
    # What comes from elsewhere, too.
    (task,) = kari.get("/api/tasks/", project=project["id"])["results"]
    kari.delete(f"/api/tasks/{task['id']}/")
    his.wait_for_text("#none:not([hidden])", "No tasks yet.")

    his.click("#sign-out")
    his.wait_for_text("#sign-in", "Sign in")
    hers.wait_for_text("#feed", f"{name_of(ola)} left")
    hers.wait_for_text("#count", "1")
    for page in (hers, his):
        # Chromium notes here what the content policy has stopped, and answers that are errors.
        assert [message for message in page.console if message.kind in ("error", "warn")] == []
        assert page.errors == []
        # Leaving a room ends its stream.
        assert {urlsplit(url).path for url, _ in page.failed_requests} <= {"/api/events/"}
        page.close()


def test_page_says_why_something_is_refused_and_finds_back_after_a_restart(browser, server, newcomer):
    kari = newcomer()
    project = kari.create_project()
    kari.create_task("Fit the sockets", project=project["id"])
    page = browser.page()
    page.goto(f"{server.url}/live/")
    page.fill("#name", kari.email)
    page.fill("#password", "not-her-password-1")
    page.click("#sign-in button")
    page.wait_for_text("#toasts", "Wrong e-mail, username or password.")
    page.close()

    page = come_in(browser, kari, f"project_{project['id']}")
    wait_for_task(page, "Fit the sockets")
    rename(page, " ")
    page.wait_for_text("#toasts", "Please check the highlighted fields. Length must be between 1 and 200.")
    # The field shows again what holds.
    wait_for_task(page, "Fit the sockets")
    server.restart()
    # Told by the new process, to a page that had to notice and to come back.
    kari.create_task("Fit the lamps", project=project["id"])
    wait_for_task(page, "Fit the lamps")
    page.wait_for_text("#state[data-state=live]", "Live")
    assert page.errors == []
    page.close()


def test_page_shows_what_was_changed_and_deleted_in_large_numbers(browser, newcomer, database):
    kari = newcomer()
    changed, deleted = kari.create_task("Change me"), kari.create_task("Delete me")
    page = come_in(browser, kari, "tasks")
    wait_for_task(page, "Delete me")
    with database.begin() as connection:
        # As a large batch does it, of whose tasks nothing is told one by one.
        connection.execute(
            sa.update(Task.__table__).where(Task.id == changed["id"]).values(priority="high", title="Changed")
        )
        connection.execute(sa.delete(Task.__table__).where(Task.id == deleted["id"]))
        for task, event in (
            (changed, {"type": "tasks_bulk_updated", "updates": {"priority": "high"}}),
            (deleted, {"type": "tasks_bulk_deleted"}),
        ):
            groups = [{"task_ids": [task["id"]], "audience": [f"user:{kari.id}"]}]
            row = {"type": event.pop("type"), "payload": {"groups": groups, **event}, "audience": groups[0]["audience"]}
            row |= {"actor_id": kari.id, "occurred_at": datetime.now(UTC)}
            connection.execute(sa.insert(EventRecord.__table__).values(row))
    page.wait_for_text("#feed", "You deleted 1 of the tasks")
    page.wait_for_text("#feed", "You changed 1 of the tasks")
    wait_for_task(page, "Changed")
    assert page.errors == []
    page.close()


def test_page_allows_nothing_but_its_own_files(app):
    client = app.test_client()
    page = client.get("/live/")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    script = client.get("/live/assets/page.js")
    assert (script.status_code, script.headers["Cache-Control"]) == (200, "no-cache")
    assert "javascript" in script.mimetype
    again = client.get("/live/assets/page.js", headers={"If-None-Match": script.headers["ETag"]})
    assert again.status_code == 304
    for name in ("../live.py", "..%2flive.py", "absent.js", ""):
        assert client.get(f"/live/assets/{name}").status_code == 404


def test_page_listens_to_every_event_that_a_stream_with_a_ticket_tells(app):
    script = app.test_client().get("/live/assets/feed.js").get_data(as_text=True)
    names = re.findall(r'"(\w+)"', re.search(r"const NAMES = \[(.*?)\];", script, re.DOTALL)[1])
    streams = app.test_client().get("/schema/").get_json()["x-realtime"]["streams"]
    # Such a stream lives as long as the session, whatever becomes of the token.
    assert sorted(names) == sorted(streams.keys() - {"token_expiring"})
