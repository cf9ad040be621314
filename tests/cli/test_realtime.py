"""``flask realtime``: the types it prints, and the page that it writes or checks."""

from __future__ import annotations

import pytest

from nxfs.cli import realtime
from nxfs.realtime import documentation


@pytest.fixture
def run(app):
    """Run ``flask realtime`` with arguments."""
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["realtime", *arguments])


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page that nothing was written into yet."""
    page = tmp_path / "realtime.md"
    page.write_text(f"Before å\n{documentation.BEGIN}\nstale\n{documentation.END}\nAfter\n", encoding="utf-8")
    monkeypatch.setattr(realtime, "PAGE", page)
    return page


def test_types_prints_a_program_that_names_every_event_and_says_how_to_make_the_rest(run):
    result = run("types")
    assert result.exit_code == 0
    assert result.output == documentation.types()
    assert "openapi-typescript" in result.output.partition("import")[0]
    for name in ("task_updated", "join_room", "ready"):
        assert f"\n  {name}: " in result.output


def test_docs_writes_the_reference_once_and_leaves_the_rest(run, page):
    result = run("docs")
    assert (result.exit_code, result.output) == (0, "Wrote docs/realtime.md.\n")
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"Before å\n{documentation.BEGIN}\n")
    assert text.endswith(f"{documentation.END}\nAfter\n")
    assert "stale" not in text
    assert "#### `task_updated`" in text
    again = run("docs")
    assert (again.exit_code, again.output) == (0, "docs/realtime.md is up to date.\n")
    assert page.read_text(encoding="utf-8") == text


def test_docs_check_fails_for_a_stale_page_and_writes_nothing(run, page):
    before = page.read_bytes()
    result = run("docs", "--check")
    assert result.exit_code == 1
    assert result.output == "Error: docs/realtime.md is not up to date; `flask realtime docs` writes it.\n"
    assert page.read_bytes() == before
    run("docs")
    assert run("docs", "--check").exit_code == 0


def test_docs_without_the_marks_says_so(run, page):
    page.write_text("Nothing\n")
    result = run("docs")
    assert (result.exit_code, result.output) == (
        1,
        "Error: realtime.md: The page does not have each of the two marks once.\n",
    )
    assert page.read_text() == "Nothing\n"


@pytest.mark.parametrize("arguments", [[], ["types"], ["docs"]])
def test_help_explains_the_command(run, arguments):
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output
