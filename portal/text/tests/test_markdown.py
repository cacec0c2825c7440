"""People's Markdown cannot do anything on the portal's origin but be read."""

import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pytest_django import Settings

from portal.text.markdown import MAX_LENGTH, TAGS, render

CASES = Path(__file__).parent / "cases"
ATTACKS = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src='javascript:alert(1)'>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<svg><use href='data:image/svg+xml,x#y'/></svg>",
    "<math><mi xlink:href='data:text/html,x'>x</mi></math>",
    "<iframe src=//evil.example></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=//evil.example></object><embed src=//evil.example>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example>",
    "<style>body{background:url(//evil.example)}</style>",
    "<p style='position:fixed;inset:0'>x</p>",
    "<form action=//evil.example><input name=password><button>Sign in</button></form>",
    "<input type=text autofocus onfocus=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=' jAvAsCrIpT:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='#x' onclick=alert(1) target=_top ping=//evil.example>x</a>",
    "[x](javascript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2Zy8+)",
    '![x](https://evil.example/a.png"onerror="alert(1))',
    '[x](/a "t\\" onmouseover=alert(1) x=\\"")',
    '```js" onmouseover=alert(1)\n1\n```',
    "<details ontoggle=alert(1) open>x</details>",
    "<div hx-get=/account/ hx-trigger=load data-hx-post=/x>x</div>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<template><script>alert(1)</script></template>",
    "<img name=body id=cookie src=x.png>",
]


class Reader(HTMLParser):
    """Notes what a browser would see: elements and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.seen if name == tag]


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_lets_nothing_active_through(attack: str) -> None:
    for tag, attributes in Reader(render(attack, base="/drive/x/")).seen:
        assert tag in TAGS
        assert not [
            name for name in attributes if name.startswith(("on", "hx-", "data-")) or name in ("style", "target")
        ]
        for name in ("href", "src"):
            address = (attributes.get(name) or "").strip().lower()
            assert address.startswith(("http://", "https://", "mailto:", "/", "#")) or not address, address
        if tag == "img":
            assert (attributes.get("src") or "/").startswith("/")
        if tag == "input":
            assert attributes["type"] == "checkbox"
            assert attributes["aria-label"] == "Task"
            assert "disabled" in attributes
            assert "name" not in attributes


def test_it_cannot_take_the_id_or_the_look_of_the_page_around_it() -> None:
    html = render(
        "<p id='content' class='button primary'>x</p>\n\n# Site search\n\n<code class='card language-r'>x</code>"
    )
    assert 'id="content"' not in html
    assert "button" not in html
    assert "card" not in html
    assert 'class="language-r"' in html
    assert 'id="text-site-search"' in html


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("data/a.csv", "/drive/x/data/a.csv"),
        ("./data/", "/drive/x/data/"),
        ("data/../b.md#part", "/drive/x/b.md#text-part"),
        ("b.pdf#page=2", "/drive/x/b.pdf#page=2"),
        ("fig%201.png", "/drive/x/fig%201.png"),
        ("grün.md", "/drive/x/gr%C3%BCn.md"),
        ("a%3Fb.md", "/drive/x/a%3Fb.md"),
        ("?page=2", "/drive/x/?page=2"),
        ("#part", "#text-part"),
        ("/collabs/", "/collabs/"),
        ("https://example.org/a", "https://example.org/a"),
        ("mailto:ada@example.org", "mailto:ada@example.org"),
        ("../../account/", None),
        ("a/../../../account/", None),
        ("%2e%2e/account/", None),
    ],
)
def test_it_puts_relative_links_below_the_library(written: str, shown: str | None) -> None:
    (link,) = Reader(render(f"[x]({written})", base="/drive/x/")).attributes("a")
    assert link.get("href") == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("b.md", "/pages/sub/b.md"),
        ("../B.MD#part", "/pages/B.MD#text-part"),
        ("b.csv", "/files/sub/b.csv"),
        ("./", "/files/sub/"),
        ("../../b.md", None),
        ("https://example.org/b.md", "https://example.org/b.md"),
        ("/collabs/", "/collabs/"),
    ],
)
def test_it_leads_from_page_to_page(written: str, shown: str | None) -> None:
    html = render(f"[x]({written}) ![y](b.png) ![z](b.md)", base="/files/", folder="sub", pages="/pages/")
    assert Reader(html).attributes("a")[0].get("href") == shown
    pictures = [picture.get("src") for picture in Reader(html).attributes("img")]
    assert pictures == ["/files/sub/b.png?show=raw", "/files/sub/b.md?show=raw"]


def test_it_shows_pictures_of_the_library_and_links_to_those_of_other_sites() -> None:
    html = render(
        "![Figure](fig.png) ![Badge](https://ci.example/b.svg) <img src=//ci.example/c.svg alt=C>", base="/d/"
    )
    reader = Reader(html)
    assert [image.get("src") for image in reader.attributes("img")] == ["/d/fig.png?show=raw", None]
    assert [link["href"] for link in reader.attributes("a")] == ["https://ci.example/b.svg"]


def test_it_renders_what_scientists_write() -> None:
    html = render(
        "| a | b |\n|:--|--:|\n| 1 | 2 |\n\n- [x] done\n\n~~old~~ https://example.org\n\n```python\n1 < 2\n```"
    )
    for part in ('<td class="align-right">2</td>', 'type="checkbox"', "<s>old</s>", 'href="https://example.org"'):
        assert part in html
    assert '<code class="language-python"><span class="code-mi">1</span> <span class="code-o">&lt;</span>' in html


def case(name: str) -> str:
    return render((CASES / name).read_text(), base="/files/", folder="docs")


def test_it_leads_a_badge_where_its_link_leads(settings: Settings) -> None:
    settings.PORTAL_URL = "http://localhost:8000"
    html = case("badges.md")
    ours, other = Reader(html).attributes("a")
    assert ours["href"] == "http://localhost:8000/lab/open?path=My%20Libraries"
    assert [image["src"] for image in Reader(html).attributes("img")] == ["/static/img/open-in-lab.svg"]
    assert str(other["href"]).startswith("https://lab.example.org/hub/user-redirect/git-pull")
    assert ">badges.example.org</a>" in html


def test_it_makes_no_link_of_a_file_name_and_no_emphasis_of_a_formula() -> None:
    html = case("file-names.md")
    assert Reader(html).attributes("a") == []
    assert "<em>" not in html
    assert html.count("<math") == 2
    assert html.count("<mtr>") == 2  # of `align`, whose `\\\\` is a line


def test_it_renders_a_readme_as_its_writer_saw_it_elsewhere() -> None:
    html = case("readme.md")
    for part in (
        "<th>title</th><td>My study</td>",
        '<h2 id="text-title">Title</h2>',
        '<math display="block"><mrow><mi>E</mi>',
        '<code class="language-mermaid">flowchart LR',
        'src="/files/docs/fig.png?show=raw" width="40%"',
        'src="/files/nb/x.png?show=raw"',
        '<li id="text-fn1"><p>The note.',
        '<p class="markdown-alert-title">Note</p>',
        "<dt>Term</dt>",
        'href="http://www.example.org"',
    ):
        assert part in html, part
    assert "My study</h" not in html


@pytest.mark.parametrize(
    "written",
    ["$x", "$5 and $10", "a \\$ b \\$", "`$x$`", "```\n$x$\n```", "<pre>\n$x$\n</pre>", "[a]($x$)"],
)
def test_it_takes_no_money_and_no_code_for_a_formula(written: str) -> None:
    assert "<math" not in render(written)


@pytest.mark.parametrize(
    "around",
    [
        '<div title="\n\n{}\n\n">x</div>',
        "<div title='\n\n{}\n\n'>x</div>",
        "<div title=\n\n{}\n\n>x</div>",
        "<script>\n\n{}\n\n</script>",
        "<!--\n\n{}\n\n-->",
        "<textarea>\n\n{}\n\n</textarea>",
        "<svg><style>\n\n{}\n\n</style></svg>",
        "[x](/a '{}')",
        "![{}](/a.png)",
    ],
)
@pytest.mark.parametrize(
    "inside", ["$\\text{ x onclick=alert(1) }$", "```python\n' onclick=alert(1) \" onclick=alert(1) >\n```"]
)
def test_it_lets_nothing_out_of_a_formula_or_code_into_raw_html_around_it(around: str, inside: str) -> None:
    html = render(around.format(inside))
    for _tag, attributes in Reader(html).seen:
        assert not [name for name in attributes if name.startswith("on")], html


def test_it_lets_nobody_write_what_stands_for_a_formula() -> None:
    assert "<math" not in render('<span class="kept-0-0"></span><span class="kept-0000000000000000-0">x</span>')
    assert 'class="' not in render('<span class="button">x</span>')


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "![[" * 30_000,
        "*_" * 60_000,
        "> " * 30_000,
        "# a\n" * 20_000,
        "| a " * 20_000 + "\n" + "|-" * 20_000,
        "$a " * 80_000,
        "$\\\\frac12$ " * 20_000,
        "\\\\begin{align}\n" * 15_000,
        "<div>$" * 10_000,
        "[^a]: x\n" * 25_000,
        "a@" * 100_000,
    ],
    ids="brackets pictures emphasis quotes headings table dollars formulas beginnings html footnotes addresses".split(),
)
def test_it_is_not_slowed_down_by_a_hostile_text(text: str) -> None:
    start = time.process_time()
    render(text)
    assert time.process_time() - start < 30  # of processor time: what grows with the square takes many minutes


def test_it_leaves_out_what_is_longer_than_a_page() -> None:
    assert len(render("x" * (2 * MAX_LENGTH))) < MAX_LENGTH + 100
