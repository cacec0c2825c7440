"""Which interactive outputs are drawn, and what may run where they are."""

import html
import json
import re
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from conftest import Queue
from drive.preview import rendering, sandbox
from drive.preview.inside import interactive
from drive.preview.inside.notebook import notebook
from drive.preview.libraries import SCRIPTS, PlotlyFinder
from portal.text.markdown import render

from .test_notebook import PIXEL, code, of_cells, of_widget, text
from .test_rendering import as_viewer, only_renderings, url, work

__all__ = ["as_viewer", "only_renderings", "url"]
PLOTLY: dict[str, Any] = {"application/vnd.plotly.v1+json": {"data": []}}
LITE = {"application/vnd.vegalite.v5.20.1+json": {"mark": "bar"}}
VEGA: dict[str, Any] = {"application/vnd.vega.v5+json": {"marks": []}}
OF_BOKEH = "const docs_json = %s;\n  const render_items = [{}]; draw()"
ROOTS = {"roots": [{"type": "object", "name": "Figure", "id": "p1", "attributes": {"title": "</script>"}}]}
BOKEH = {"application/vnd.bokehjs_exec.v0+json": "", "application/javascript": "draw()", "text/html": "<div id=x>"}


def of_bokeh(documents: dict[str, Any]) -> dict[str, str]:
    """The script that Bokeh leaves in an output."""
    return {"application/javascript": OF_BOKEH % json.dumps(documents)}


def page_of(*outputs: dict[str, Any]) -> bytes:
    """The page of a notebook with outputs of these media types."""
    made = [{"output_type": "display_data", "metadata": {}, "data": data} for data in outputs]
    return notebook(json.dumps(of_cells(code(*made))).encode()).encode()


@pytest.mark.parametrize(
    ("outputs", "libraries", "parts"),
    [
        ([PLOTLY], ["plotly"], ["An interactive figure (Plotly)", '{"data": []}']),
        ([LITE, PLOTLY], ["plotly", "vega"], ['{"lite": true, "spec": {"mark": "bar"}}']),
        ([VEGA | {"image/png": PIXEL}], ["vega"], ['"lite": false', f'src="data:image/png;base64,{PIXEL}"']),
        ([BOKEH], [], ["An interactive figure (Bokeh). Open the notebook in the Lab for it."]),
        ([BOKEH | {"image/png": PIXEL}], [], [f'src="data:image/png;base64,{PIXEL}"']),
        ([BOKEH | of_bokeh({"d": ROOTS})], ["bokeh"], ['{"documents": [{"roots": [{', "\\u003c/script>"]),
        ([BOKEH | {"text/html": "<script>" + OF_BOKEH % json.dumps({"d": ROOTS})}], ["bokeh"], ['"roots"']),
        ([BOKEH | of_bokeh({"d": {"roots": {"references": []}}})], [], ["(Bokeh). Open the notebook in the Lab"]),
        ([BOKEH | of_bokeh({"d": ROOTS, "e": []})], [], ["(Bokeh). Open the notebook in the Lab"]),
        ([BOKEH | of_bokeh({})], [], ["(Bokeh). Open the notebook in the Lab"]),
        ([BOKEH | {"application/javascript": "const docs_json = {"}], [], ["(Bokeh). Open the notebook in the Lab"]),
        ([{"application/vnd.bokehjs_load.v0+json": ""}, {"text/plain": "words"}], [], ["words"]),
        ([{"application/vnd.plotly.v1+json": "[]", "text/plain": "words"}], [], ["words"]),
        ([{"text/html": "<script>Plotly.newPlot()</script>"}], [], ["An output that a script would draw"]),
    ],
)
def test_it_offers_outputs_that_our_libraries_draw(
    outputs: list[dict[str, Any]], libraries: list[str], parts: list[str]
) -> None:
    page = page_of(*outputs)
    assert rendering.about_of(page).interactive == libraries
    assert page.count(b'class="data"') == len(libraries)
    for part in parts:
        assert part in page.decode()
    assert b"draw()" not in page
    assert b"newPlot" not in page


def test_it_does_not_offer_what_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactive, "MOST", 20)
    page = page_of(PLOTLY, {"application/vnd.plotly.v1+json": {"data": [1, 2, 3, 4, 5, 6]}})
    assert page.count(b"An interactive figure (Plotly)") == 2
    assert page.count(b"too large to be drawn here") == 1
    assert page.count(b'class="data"') == 1
    monkeypatch.setattr(interactive, "MOST", 5)
    assert rendering.about_of(page_of(PLOTLY)).interactive == []


@pytest.mark.parametrize(
    ("outputs", "evaluates"),
    [([PLOTLY, LITE], True), ([LITE], False), ([PLOTLY, BOKEH | of_bokeh({"d": ROOTS})], False)],
)
def test_it_lets_only_our_libraries_run_and_only_in_a_frame(
    as_viewer: Client,
    url: str,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    outputs: list[dict[str, Any]],
    evaluates: bool,
) -> None:
    made = page_of(*outputs)
    monkeypatch.setattr(sandbox, "render", lambda *_, **__: made)
    as_viewer.get(url)
    work(queue)
    assert f'href="{url}?show=interactive" target="rendered"' in as_viewer.get(url).content.decode()
    response = as_viewer.get(f"{url}?show=interactive", headers={"Sec-Fetch-Dest": "iframe"})
    policy = dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";"))
    assert policy["sandbox"].split() == ["allow-scripts", "allow-popups", "allow-popups-to-escape-sandbox"]
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "data: blob:"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy.keys().isdisjoint({"connect-src", "frame-src", "child-src", "media-src", "object-src"})
    addresses = [word for word in policy["script-src"].split() if not word.startswith("'")]
    libraries = rendering.about_of(made).interactive
    names = ["js/interactive.js", *(SCRIPTS[library] for library in libraries)]
    assert [address.partition("/static/")[2] for address in addresses] == names
    assert [word for word in policy["script-src"].split() if word == "'unsafe-eval'"] == ["'unsafe-eval'"] * evaluates
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'self'" not in policy["script-src"]
    content = response.content.decode()
    assert all(f'<script src="{html.escape(address)}"></script>' in content for address in addresses)
    assert content.count("<script src=") == len(addresses)
    assert content.count('class="data"') == len(libraries)
    by_itself = as_viewer.get(f"{url}?show=interactive", headers={"Sec-Fetch-Dest": "document"})
    assert by_itself["Location"] == url
    still = as_viewer.get(f"{url}?show=rendered")
    assert b'class="data"' not in still.content
    assert b"<script src=" not in still.content
    assert "unsafe-eval" not in still["Content-Security-Policy"]


def test_it_draws_diagrams_in_texts_of_notebooks() -> None:
    words = "flowchart LR\n  A[</script><b>bold</b>] --> B"
    page = notebook(json.dumps(of_cells(text(f"Before\n\n```mermaid\n{words}\n```\n\nafter"))).encode())
    assert rendering.about_of(page.encode()).interactive == ["mermaid"]
    assert '<div class="interactive" data-kind="mermaid"><script type="application/json" class="data">' in page
    assert "\\u003c/script>" in page
    assert "flowchart LR\n  A[&lt;/script&gt;&lt;b&gt;bold" in page
    assert page.index("Before") < page.index("flowchart") < page.index("after")


def test_it_takes_no_data_from_html_of_a_notebook() -> None:
    forged = '<div class="interactive" data-kind="bokeh"><script class="data" type="application/json">{}</script></div>'
    page = notebook(json.dumps(of_cells(text(forged), text("```mermaid\nx\n```"))).encode())
    assert page.count('class="data"') == 1


@pytest.mark.parametrize(("state", "libraries"), [({}, ["plotly"]), ({"buffers": [{"path": ["_data"]}]}, [])])
def test_it_draws_widgets_of_plotly_of_which_the_notebook_has_all(state: dict[str, Any], libraries: list[str]) -> None:
    model = {"model_name": "FigureModel", "state": {"_data": [{"y": [1]}], "_layout": {"title": "A"}}} | state
    page = notebook(json.dumps(of_widget("w", {"w": model})).encode()).encode()
    assert rendering.about_of(page).interactive == libraries
    assert page.count(b'{"data": [{"y": [1]}], "layout": {"title": "A"}}') == len(libraries)


def test_the_frame_for_diagrams_of_a_page_holds_nothing_and_reaches_nothing(client: Client) -> None:
    response = client.get(reverse("drive:diagrams"))
    policy = dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";"))
    assert policy["sandbox"].split()[0] == "allow-scripts"
    assert "allow-same-origin" not in policy["sandbox"]
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'self'"
    assert "'unsafe-eval'" not in policy["script-src"]
    assert policy.keys().isdisjoint({"connect-src", "frame-src", "child-src", "media-src", "object-src"})
    assert re.findall(r'/static/([^"]+)"', response.content.decode()) == ["js/interactive.js", SCRIPTS["mermaid"]]


@pytest.mark.parametrize(("text", "drawn"), [("```mermaid\npie\n```", 1), ("```python\n1\n```", 0)])
def test_a_page_with_markdown_asks_for_diagrams_where_it_has_some(text: str, drawn: int) -> None:
    page = render_to_string("drive/_markdown.html", {"html": render(text)})
    assert page.count("js/diagrams.js") == drawn


def test_it_offers_nothing_where_nothing_is_drawn(
    as_viewer: Client, url: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "render", lambda *_, **__: page_of(BOKEH))
    as_viewer.get(url)
    work(queue)
    assert "show=interactive" not in as_viewer.get(url).content.decode()


def test_it_finds_no_other_files_of_the_renderer() -> None:
    finder = PlotlyFinder()
    assert finder.find("plotly/package_data/widgetbundle.js") == []
    assert finder.find("plotly/../plotly.min.js", find_all=True) == []
    assert {name for name, _ in finder.list([])} <= {"plotly.min.js"}
