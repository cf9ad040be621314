"""Taking a file out of a text: all forms of references go, everything else stays, and no text takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nxfs.blog.service.unlinking import unlink

NAME = "0123456789abcdef0123456789abcdef.jpg"
OTHER = "fedcba9876543210fedcba9876543210.png"
HERE, THERE = f"/media/{NAME}", f"/media/{OTHER}"
LENGTH = 100_000

ADDRESSES = (
    HERE,
    f"{HERE}/320.webp",
    f"https://api.example.com:8443{HERE}",
    f"http://localhost:5000{HERE}?expires=1798000000&signature=6YrmQx2D-_qF0",
    f"{HERE}/800.webp?expires=1798000000&amp;signature=6YrmQx2DqF0",
    f"//cdn.example.com{HERE}#top",
    f"{HERE}?download=true",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("form", "left"),
    [
        ("![alt]({})", ""),
        ("![]({})", ""),
        ('![alt]({} "A title")', ""),
        ("![alt](  <{}>\n 'a \\' title' )", ""),
        ("![alt [of] it]({} (title))", ""),
        ("[the picture]({})", "the picture"),
        ("[*the* `[` picture](<{}>)", "*the* `[` picture"),
        ("[![alt]({0})]({0})", ""),
        (f"[![alt]({THERE})]({{}})", f"![alt]({THERE})"),
        (f"[![alt]({{}})]({THERE})", f"[]({THERE})"),
        ('<img src="{}" alt="a > b">', ""),
        ("<IMG\n  alt='x'\n  src='{}'\n/>", ""),
        ('<a href="{}" title="t">text</a>', "text"),
        ('<picture><source srcset="{0} 320w, {0} 800w"></picture>', "<picture></picture>"),
        ('<video controls src="{}">text</video>', "text"),
        ("**{}**", "****"),
        ("`{}`", "``"),
    ],
)
def test_unlink_takes_out_every_form_of_reference(address: str, form: str, left: str) -> None:
    assert unlink(f"Før {form.format(address)} etter.", NAME) == f"Før {left} etter."


def test_unlink_takes_out_addresses_that_stand_alone() -> None:
    assert unlink(f"See <https://api.example.com{HERE}>, and https://api.example.com{HERE}.", NAME) == "See , and ."


def test_unlink_takes_out_definitions_and_what_uses_them() -> None:
    text = (
        f"![alt][Pic  ture] [text][pic ture] [picture][] [picture] ![picture] [other][o] [o]\n\n"
        f'[pic\nture]: {HERE}\n  "title"\n[picture]: <https://api.example.com{HERE}>\n'
        f"[o]: {THERE}\n> [q]: {HERE}/320.webp\n"
    )
    assert unlink(text, NAME) == f" text picture picture  [other][o] [o]\n\n\n\n[o]: {THERE}\n> \n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"\\![text]({HERE})", "\\!text"),
        (f"\\[text]({HERE})", "\\[text]()"),
        (f"[one\n\ntwo]({HERE})", "[one\n\ntwo]()"),
        (f"![alt]({HERE} no title)", "![alt]( no title)"),
        (f"<div data-x='{HERE}'>x</div>", "<div data-x=''>x</div>"),
        (f"<img src='{HERE}", "<img src='"),
        (f"[text](/files/{NAME})", "text"),
        (f"{NAME[:9]}{HERE}{NAME[9:]}", ""),
        (f"{NAME[:20] * 3}{HERE}{NAME[20:] * 3}", ""),
    ],
)
def test_unlink_of_what_is_no_reference_takes_out_the_address_alone(text: str, left: str) -> None:
    assert unlink(text, NAME) == left


def test_unlink_of_another_file_changes_nothing() -> None:
    text = f"![alt]({THERE}) [x]: {THERE} <img src='{THERE}'>"
    assert unlink(text, NAME) == text


WORDS = st.text(st.characters(categories=("Ll", "Lu", "Nd", "Zs"), exclude_characters="\u2028\u2029"), max_size=12)
OTHERS = st.one_of(
    WORDS,
    st.sampled_from(
        [
            f"![other]({THERE})",
            f"[other]({THERE} 'title')",
            f"<img src='{THERE}'>",
            "`code [ <b`",
            "**bold**",
            "(brackets)",
            "\n\n",
            "\n- item ",
            "\\[",
            "\\]",
        ]
    ),
)
REFERENCES = st.one_of(
    *(
        st.builds(form.format, st.sampled_from(ADDRESSES))
        for form in ("![alt]({})", '![a](<{}> "t")', "<img src='{}'>", "[![a]({0})]({0})", " {} ")
    )
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(OTHERS, REFERENCES), max_size=8), OTHERS)
def test_unlink_leaves_all_other_text_as_it_is(pieces: list[tuple[str, str]], end: str) -> None:
    text = "".join(other + reference for other, reference in pieces) + end
    kept = "".join(other + ("  " if reference.startswith(" ") else "") for other, reference in pieces) + end
    assert unlink(text, NAME) == kept


FRAGMENTS = st.sampled_from(
    [
        *"[]()<>!`\\\"'#:\n \t*_a",
        HERE,
        NAME,
        NAME[:16],
        NAME[16:],
        "](",
        "![",
        "]:",
        "<img ",
        "<a href=",
        "</a>",
        "https://",
    ]
)


@settings(max_examples=1_000, deadline=None, derandomize=True, database=None)
@given(st.lists(FRAGMENTS, max_size=60).map("".join))
def test_unlink_of_any_text_leaves_no_name(text: str) -> None:
    left = unlink(text, NAME)
    assert NAME not in left
    assert unlink(left, NAME) == left
    assert len(left) <= len(text)


@pytest.mark.parametrize(
    "piece",
    [
        HERE,
        f"[{HERE}",
        f"![x]({HERE}",
        f'![x]({HERE} "',
        f"](\\{HERE} '",
        f"<a '{HERE}",
        f"<img \"'{HERE}",
        f"<a href={HERE}>",
        f"[[{NAME}]:{HERE}\n",
        f"[a]:{HERE}\n[a]",
        f"```{HERE}`",
        f"//{HERE}",
        f"{' ' * 60}{HERE}",
        f"{'[' * 36}{HERE}{']' * 36}",
        f"({'(' * 40}{HERE}",
        f"!{'[' * 20}{HERE}{'](' * 20}",
    ],
)
def test_unlink_of_hostile_text_is_quick(piece: str) -> None:
    assert seconds_of((piece * (LENGTH // len(piece) + 1))[:LENGTH]) < 2


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000 + HERE + "]" * 49_000,
        NAME[:18] * 2_700 + NAME + NAME[18:] * 2_700,
        "![" * 30_000 + HERE + f"]({HERE})" * 800,
        " " * 50_000 + f"]({HERE}" + " " * 49_000,
        "\n" * 90_000 + f"[x]:{HERE}",
        "".join("`" * (number % 400 + 1) + " " for number in range(480)) + HERE,
        f"[x](<{HERE}> '" + "\\'" * 49_000,
    ],
)
def test_unlink_of_one_hostile_text_is_quick(text: str) -> None:
    assert seconds_of(text) < 2


def seconds_of(text: str) -> float:
    """Return how long it takes to take the file out of ``text``."""
    began = time.perf_counter()
    assert NAME not in unlink(text, NAME)
    return time.perf_counter() - began
