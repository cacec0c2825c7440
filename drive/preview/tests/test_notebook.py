"""Notebooks of every kind are shown, repaired where they must be, and what they bring stays where it is."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drive.preview.inside.contained import contained
from drive.preview.inside.notebook import notebook
from drive.preview.inside.notebook_repair import read_notebook
from drive.preview.inside.page import SCRIPT, InvalidContentError
from drive.preview.inside.terminal import as_html

CASES = Path(__file__).parent / "cases"
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def shown(raw: object) -> str:
    """The body of the page of a notebook, given as bytes or as JSON."""
    content = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    page = notebook(content)
    return page[page.index("<body>") : page.rindex("<script>")]


def of_cells(*cells: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 4} | more


def text(source: str, **more: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source} | more


def code(*outputs: dict[str, Any], source: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "cell_type": "code", "metadata": {}, "source": source, "execution_count": 1, "outputs": list(outputs)
    } | more  # fmt: skip


def display(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": {key.replace("_", "/"): data[key] for key in data}}


@pytest.mark.parametrize(
    ("name", "repaired", "parts"),
    [
        ("01-utf8-bom.ipynb", "", ["Spike counts", "<pre>hi</pre>"]),
        ("03-cell-no-metadata.ipynb", "metadata of cells 1, 2.", []),
        ("07-attachment-img-tag.ipynb", "", ['width="40"', 'alt="with space"']),
        ("12-output-no-metadata.ipynb", "metadata of an output of cell 2.", ['src="data:image/png;base64,iVBOR']),
        ("21-kernelspec-no-display.ipynb", "display name of the kernel.", ["<pre>hi</pre>"]),
        ("25-bad-ids.ipynb", "", ["<p>x</p>"]),
        ("31-source-null.ipynb", "text of cell 2.", []),
        ("37-no-execution-count.ipynb", "execution count of cell 2;", ["<pre>1</pre>"]),
        ("40-no-minor.ipynb", "minor version of the format.", ["<pre>hi</pre>"]),
        ("46-attachment-missing.ipynb", "", ["“gone.png” is missing"]),
        ("56-error-no-traceback.ipynb", "traceback of an error of cell 2.", ["KeyboardInterrupt"]),
        ("60-tags-null.ipynb", "tags of cells 1, 2; collapsed of cell 1; jupyter of cell 2;", []),
    ],
)
def test_it_shows_what_the_lab_opens_and_says_what_was_repaired(name: str, repaired: str, parts: list[str]) -> None:
    body = shown((CASES / name).read_bytes())
    assert "SENTINEL" in body
    assert repaired in body
    assert ("was repaired to be shown" in body) == bool(repaired)
    for part in parts:
        assert part in body
    assert body.count("<img") == {"07": 3, "12": 1}.get(name[:2], 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_it_reads_what_editors_of_other_systems_write(encoding: str) -> None:
    body = shown(json.dumps(of_cells(text("größer")), ensure_ascii=False).encode(encoding))
    assert "größer" in body
    assert ("notebooks should be in UTF-8" in body) == (encoding != "utf-8-sig")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{\n "cells": [\n  1,\n ]\n}', r"cannot be read as JSON \(line 4, column 2"),
        (b'{"cells": [', "line 1, column 12"),
        (b'{\n<<<<<<< HEAD\n "cells": []\n=======\n>>>>>>> x\n}', "line 2 is a conflict that Git left"),
        (b"[1]", "holds a list instead"),
        (b"null", "holds nothing instead"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\x00\x13", "line 1"),
        (b"import numpy\n", "line 1, column 1"),
    ],
)
def test_it_names_the_line_that_cannot_be_read(content: bytes, why: str) -> None:
    with pytest.raises(InvalidContentError, match=why):
        notebook(content)


def test_it_shows_what_stands_before_what_does_not_belong_there() -> None:
    body = shown(json.dumps(of_cells(text("Title"))).encode() + b"\n\n}}")
    assert "Title" in body
    assert "from line 3 on, is not shown" in body


FORMAT_3 = {
    "metadata": {"name": "Old"},
    "nbformat": 3,
    "nbformat_minor": 0,
    "worksheets": [
        {
            "cells": [
                {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Old words"]},
                {
                    "cell_type": "code",
                    "collapsed": False,
                    "input": ["print(42)"],
                    "language": "python",
                    "prompt_number": 7,
                    "outputs": [
                        {"output_type": "stream", "stream": "stdout", "text": ["forty-two"]},
                        {"output_type": "pyout", "prompt_number": 7, "png": PIXEL, "text": ["<Figure>"]},
                        {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mred\x1b[0m"]},
                    ],
                },
                {"cell_type": "html", "metadata": {}, "source": "<b>bold</b>"},
            ]
        }
    ],
}
FORMAT_1 = {
    "nbformat": 1,
    "cells": [
        {"cell_type": "code", "code": "x = 1", "prompt_number": 1, "outputs": []},
        {"cell_type": "text", "text": "*old*"},
    ],
}


def test_it_shows_the_versions_of_the_format_that_papers_of_ten_years_ago_have() -> None:
    body = shown(FORMAT_3)
    for part in (
        '<h2 id="Old-words">',
        "[7]",
        "forty-two",
        f"base64,{PIXEL}",
        '<span class="ansi-red-fg">red',
        "<b>bold",
    ):
        assert part in body
    assert "version 3 of the format" in body
    assert "repaired" not in body
    old = shown(FORMAT_1)
    assert 'class="input"' in old
    assert "*old*" in old


WHOLE = of_cells(
    text("# SENTINEL ![a](attachment:a.png) $x$", attachments={"a.png": {"image/png": PIXEL}}, id="one"),
    code(
        {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
        {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "1"}},
        display(image_png=PIXEL, text_html="<b>x</b>"),
        display(**{"application_vnd.plotly.v1+json": {"data": [], "layout": {}}}),
        display(**{"application_vnd.vegalite.v5+json": {"mark": "bar"}}),
        display(**{"application_vnd.jupyter.widget-view+json": {"model_id": "m"}}),
        metadata={"tags": ["a"], "collapsed": False, "jupyter": {"source_hidden": True}},
    ),
    {"cell_type": "raw", "metadata": {}, "source": "raw"},
    metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python", "version": "3.11"},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"m": {"model_name": "X", "state": {}}}}},
    },
)


def places(value: object, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and index in a notebook, as a path."""
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*here, key))
    return found


@pytest.mark.parametrize("instead", [None, 7, [], {}, "words", True, [None], {"a": None}, "drop"], ids=repr)
def test_it_shows_the_rest_whatever_one_key_holds(instead: object) -> None:
    for where in places(WHOLE):
        raw: Any = copy.deepcopy(WHOLE)
        *way, last = where
        inside = raw
        for step in way:
            inside = inside[step]
        if instead == "drop":
            del inside[last]
        else:
            inside[last] = instead
        body = shown(raw)
        if where[:2] != ("cells", 0) and where != ("cells",):
            assert "SENTINEL" in body, where


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(places(WHOLE)), JSON), min_size=1, max_size=6))
def test_it_shows_or_names_whatever_several_keys_hold(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    raw: Any = copy.deepcopy(WHOLE)
    for (*way, last), value in changes:
        inside = raw
        for step in way:
            try:
                inside = inside[step]
            except (LookupError, TypeError):
                break
        else:
            if isinstance(inside, dict) or (isinstance(inside, list) and isinstance(last, int) and last < len(inside)):
                inside[last] = value
    notebook(json.dumps(raw).encode())


def test_it_sets_formulas_with_the_macros_of_earlier_cells() -> None:
    body = shown(
        of_cells(
            text(r"$\newcommand{\R}{\mathbb{R}}$"), text(r"a $x_1 \in \R$ *b* \\(y_2\\)"), text("<center>$z$</center>")
        )
    )
    assert body.count("<math") == 3
    assert "ℝ" in body
    assert "<em>b</em>" in body


def test_it_sets_a_formula_that_code_has_put_out() -> None:
    for tex in (r"$\displaystyle x^2$", "$$x^2$$", r"\begin{equation}x^2\end{equation}", "words $x^2$ and $y$"):
        assert "<msup>" in shown(of_cells(code(display(text_latex=tex, text_plain="x**2"))))


def test_it_shows_a_traceback_in_its_colours_and_the_last_state_of_a_progress_bar() -> None:
    assert as_html("\x1b[0;31mE\x1b[0m: \x1b[38;5;196;1mx\x1b[48;2;1;2;3my\x1b[0m") == [
        '<span class="ansi-red-fg">E</span>: <span class="ansi-bold" style="color:#ff0000">x</span>'
        '<span class="ansi-bold" style="color:#ff0000;background:#010203">y</span>'
    ]
    assert as_html("10%\r50%\r100%\nend\r\n") == ["100%\nend\n"]
    assert as_html("\x1b]8;;http://x\x07<b>\x1b]8;;\x07\x1b[2K\x07") == ["&lt;b&gt;"]


def test_it_folds_what_is_long_and_joins_what_came_in_parts() -> None:
    parts = [{"output_type": "stream", "name": "stdout", "text": f"line {n}\n"} for n in range(100)]
    body = shown(of_cells(code(*parts)))
    assert "<summary>75 more lines</summary>" in body
    assert body.count('class="output"') == 1
    assert "line 99" in body


def test_it_tells_the_page_around_it_of_headings_and_libraries() -> None:
    plotly = display(**{"application_vnd.plotly.v1+json": {"data": ["</script><script>alert(1)</script>"]}})
    page = notebook(
        json.dumps(of_cells(text("# One two\n\n## `x` & <b>y</b>"), text("# One two"), code(plotly))).encode()
    )
    assert "&quot;headings&quot;: [[1, &quot;One-two&quot;, &quot;One two&quot;]" in page
    assert "[1, &quot;One-two-1&quot;" in page
    assert "&quot;interactive&quot;: [&quot;plotly&quot;]" in page
    assert "alert(1)</script>" not in page


@pytest.mark.parametrize(
    "hostile",
    [
        "<!-- ",
        "<textarea>",
        "<plaintext>",
        "<script>",
        "</div></section></main></body></html>",
        "<style>",
        "<div class='",
        "<a href='",
    ],
)
def test_it_shows_what_follows_html_that_does_not_end(hostile: str) -> None:
    assert contained(hostile).count("<div") == contained(hostile).count("</div")
    body = shown(of_cells(code(display(text_html=hostile)), text(hostile), text("SENTINEL")))
    after = body[body.rindex("<section") :]
    assert "<p>SENTINEL</p>" in after
    assert "<!--" not in body
    assert body.count("<section") == body.count("</section")


@pytest.mark.parametrize(
    "html", ["<link rel=preconnect href=//a>", "<LINK href=//a>", "<meta http-equiv=refresh>", "<base href=//a>"]
)
def test_it_connects_to_nobody(html: str) -> None:
    page = notebook(json.dumps(of_cells(text(html), code(display(text_html=html)))).encode()).lower()
    for name in ("<link", "<meta http", "<base href"):
        assert name not in page


def test_it_leaves_scripts_out_and_keeps_tables() -> None:
    html = "<script>alert(1)</script><table><tr><td>1<td>2</table><img src=x onerror=alert(1)><svg><path d='M0'/></svg>"
    body = shown(of_cells(code(display(text_html=html))))
    assert "<script" not in body
    assert "onerror" not in body
    assert "<td>2</tr></table>" in body.replace("</td>", "") or "<td>2</table>" in body.replace("</td>", "").replace(
        "</tr>", ""
    )
    assert "<path d='M0'></path></svg>" in body
    assert SCRIPT not in body


def test_it_leads_to_pictures_elsewhere_and_shows_those_beside_the_notebook() -> None:
    body = shown(
        of_cells(
            text("![a](https://example.org/a.png) ![b](fig/b%20c.png) [![d](//e.example/d.svg)](https://f.example/)")
        )
    )
    assert '<a href="https://example.org/a.png">a</a>' in body
    assert '<img src="library:fig/b%20c.png" alt="b">' in body
    assert '<a href="https://f.example/">d</a>' in body


def test_it_reads_all_of_a_large_notebook_in_a_moment() -> None:
    cells = [
        code({"output_type": "stream", "name": "stdout", "text": "x" * 1000}, source="y = 1\n" * 50)
        for _ in range(1000)
    ]
    assert len(read_notebook(json.dumps(of_cells(*cells)).encode()).cells) == 1000


def widget(**state: Any) -> dict[str, Any]:
    return {"model_name": state.pop("kind"), "state": state}


def of_widget(model: str, states: dict[str, Any]) -> dict[str, Any]:
    """A notebook with one output, which is a widget."""
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": model}, "text/plain": "Widget()"}
    metadata = {"widgets": {"application/vnd.jupyter.widget-state+json": {"state": states}}}
    return of_cells(code({"output_type": "display_data", "metadata": {}, "data": data}), metadata=metadata)


def test_it_shows_what_widgets_showed_last() -> None:
    stream = {"output_type": "stream", "name": "stdout", "text": "x is 4"}
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": PIXEL}}
    states = {
        "box": widget(
            kind="HBoxModel", children=[f"IPY_MODEL_{name}" for name in ("a", "b", "c", "box", "o", "i", "m")]
        ),
        "a": widget(kind="HTMLModel", value="<b>100%</b><script>alert(1)</script>"),
        "b": widget(kind="FloatProgressModel", value=5, max='9" onload="x'),
        "c": widget(kind="DropdownModel", _options_labels=["one", "<two>"], index=1, description="Pick"),
        "o": widget(kind="OutputModel", outputs=[stream, picture, 7]),
        "i": widget(kind="ImageModel", format="gif", width="30")
        | {"buffers": [{"path": ["value"], "encoding": "base64", "data": "R0lG"}]},
        "m": widget(kind="MPLCanvasModel", _data_url="data:image/png;base64,AAAA", _figure_label="<Figure> 1"),
    }
    body = shown(of_widget("box", states))
    for part in (
        "<b>100%</b>",
        'value="5"',
        "&lt;two&gt;",
        "Pick",
        "x is 4",
        PIXEL,
        "gif;base64,R0lG",
        "png;base64,AAAA",
    ):
        assert part in body
    assert '" onload="' not in body
    assert "<script" not in body
    assert "&lt;Figure&gt; 1" in body


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({}, "A widget whose state was not saved"),
        ({"w": widget(kind="MapModel") | {"model_module": "<jupyter-leaflet>"}}, "A widget (&lt;jupyter-leaflet&gt;)."),
        ({"w": widget(kind="AnyModel", _anywidget_id="traitlets.Map")}, "A widget (traitlets.Map)."),
        ({"w": {"model_module": 7}}, "A widget (unknown)."),
        ({"w": widget(kind="MPLCanvasModel", _data_url="https://elsewhere.example/x.png")}, "A widget (unknown)."),
    ],
)
def test_it_names_widgets_that_cannot_be_shown(states: dict[str, Any], said: str) -> None:
    body = shown(of_widget("w", states))
    assert said in body
    assert "Widget()" not in body


def test_it_ends_with_widgets_that_hold_themselves() -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "o"}}
    again = [{"output_type": "display_data", "metadata": {}, "data": view}] * 10
    stream = {"output_type": "stream", "name": "stdout", "text": "x" * 10_000}
    body = shown(of_widget("o", {"o": widget(kind="OutputModel", outputs=[stream, *again])}))
    assert 10_000 < body.count("x") < 10_000_000
