"""A card is shown as its author meant it, and can do nothing else."""

import re

import pytest

from graft.server.web.cards import MAX_CHARACTERS, CardLinks, render_card

LINKS = CardLinks.at("me/model", "main")


def render(markdown: str) -> str:
    return render_card(markdown, LINKS)


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<SCRIPT src=https://evil.example/x.js></SCRIPT>",
        "<img src=x onerror=alert(1)>",
        "<p onclick='alert(1)' onmouseover=alert(1)>x</p>",
        "<iframe src='https://evil.example'></iframe>",
        "<object data=x></object><embed src=x>",
        "<form action='/logout' method=post><input name=a><button>go</button></form>",
        "<style>body { display: none }</style>",
        "<p style='position:fixed; inset:0; background:url(//evil.example)'>x</p>",
        "<link rel=stylesheet href=//evil.example><base href=//evil.example>",
        "<meta http-equiv=refresh content='0;url=//evil.example'>",
        "<svg onload=alert(1)><script>alert(1)</script></svg>",
        "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href=' JaVaScRiPt:alert(1)'>x</a>",
        "<a href='java\nscript:alert(1)'>x</a>",
        "<a href='java&#115;cript:alert(1)'>x</a>",
        "<a href='vbscript:x'>x</a><a href='data:text/html,<script>1</script>'>x</a>",
        "[x](<javascript:alert(1)>)",
        '```"><img src=x onerror=alert(1)>\ncode\n```',
        "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    ],
)
def test_nothing_in_a_card_can_act(attack: str) -> None:
    html = render(f"{attack}\n\nHarmless.")
    assert "Harmless." in html
    tags = re.findall(r"<[^>]+>", html)
    forbidden = r"<(script|style|iframe|object|embed|form|input|button|base|meta|link|svg|math)\b"
    for tag in tags:
        assert not re.match(forbidden, tag, re.IGNORECASE)
        assert not re.search(r"\son\w+\s*=", tag, re.IGNORECASE)
        assert not re.search(r"\sstyle\s*=", tag, re.IGNORECASE)
        assert not re.search(r"(javascript|vbscript|data):", tag, re.IGNORECASE)
        assert "evil.example" not in tag


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[x](docs/use.md)", 'href="/me/model/blob/main/docs/use.md"'),
        ("[x](./config.json)", 'href="/me/model/blob/main/config.json"'),
        ("[x](/datasets/me/data)", 'href="/datasets/me/data"'),
        ("[x](https://example.org/paper)", 'href="https://example.org/paper"'),
        ("[x](mailto:me@example.org)", 'href="mailto:me@example.org"'),
        ("[x](#training-data)", 'href="#card-training-data"'),
        ("![x](figures/loss.png)", 'src="/me/model/resolve/main/figures/loss.png"'),
        ('<img src="loss.png" width="40">', 'src="/me/model/resolve/main/loss.png"'),
    ],
)
def test_relative_addresses_lead_to_the_repositorys_files(written: str, shown: str) -> None:
    assert shown in render(written)


def test_links_of_a_data_set_and_another_revision() -> None:
    links = CardLinks.at("datasets/me/data", "feature/x")
    html = render_card("![x](a.png) [y](b.md)", links)
    assert 'src="/datasets/me/data/resolve/feature%2Fx/a.png"' in html
    assert 'href="/datasets/me/data/blob/feature%2Fx/b.md"' in html


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/pixel.png",
        "//evil.example/pixel.png",
        "/\\evil.example/pixel.png",
        "///evil.example/pixel.png",
        "/\\/evil.example/pixel.png",
        "data:image/png;base64,AAAA",
        "../../../../api/whoami-v2",
    ],
)
def test_no_image_comes_from_elsewhere(address: str) -> None:
    html = render(f'<img src="{address}" alt="a chart">')
    assert "src=" not in html
    assert "a chart" in html


def test_links_outwards_give_away_nothing() -> None:
    assert 'rel="nofollow noopener noreferrer"' in render("[x](https://example.org)")


def test_headings_stand_below_the_pages_own_and_carry_anchors() -> None:
    html = render("# Title\n\n## Training `data`\n\n## Training data")
    assert '<h2 id="card-title">' in html
    assert '<h3 id="card-training-data">' in html
    assert '<h3 id="card-training-data-1">' in html
    assert 'href="#card-training-data"' in html


def test_ids_and_classes_of_the_page_cannot_be_taken() -> None:
    html = render(
        '<h2 id="widget-form" class="masthead">x</h2><div id="main" class="panel">y</div>'
    )
    assert 'id="card-widget-form"' in html
    assert 'id="main"' not in html
    assert "masthead" not in html
    assert "panel" not in html


def test_tables_keep_their_alignment_and_scroll_on_their_own() -> None:
    html = render("| a | b |\n|--:|:-:|\n| 1 | 2 |")
    assert '<div class="scroll"><table>' in html
    assert '<td align="right">1</td>' in html
    assert '<th align="center">b</th>' in html


def test_code_is_shown_as_written() -> None:
    html = render("```python\nif a < b:\n    print('&amp;')\n```")
    assert "<code class=\"language-python\">if a &lt; b:\n    print('&amp;amp;')\n</code>" in html


def test_a_card_without_end_is_cut_and_says_so() -> None:
    html = render("word " * MAX_CHARACTERS)
    assert len(html) < 2 * MAX_CHARACTERS
    assert f"Only the first {MAX_CHARACTERS:,} characters" in html


@pytest.mark.parametrize(
    "html",
    [
        pytest.param("<div>" * 80_000, id="folders in folders"),
        pytest.param("".join(f"<b id={n}>" for n in range(4000)) + "<p>x</p>" * 4000, id="bold"),
        pytest.param("".join(f"<p><b id={n}>" for n in range(20_000)), id="bold paragraphs"),
    ],
)
def test_html_that_takes_long_to_sanitise_is_shown_as_text(html: str) -> None:
    """A sanitiser takes the square of these: 37 kB of the third became 28 MB, by a gigabyte."""
    shown = render_card(f"# A model\n\n{html}", LINKS)
    assert "&lt;" in shown
    assert len(shown) < 12 * len(html)


def test_a_long_table_in_html_is_one() -> None:
    row = '<tr><td><b>1</b></td><td align="right"><a href="b.md">2</a></td></tr>\n'
    shown = render_card(f"<table>\n{row * 4000}</table>\n\nAnd **text**.", LINKS)
    assert shown.count("<tr>") == 4000
    assert f'<a href="{LINKS.pages}b.md"' in shown
    assert "<strong>text</strong>" in shown
