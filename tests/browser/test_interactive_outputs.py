"""Interactive outputs of a notebook, drawn in a browser through the real sandbox and proxy, with nothing to reach."""

import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect

from drive.libraries import services
from drive.preview import tests
from drive.preview.tests.test_notebook import PIXEL, code, of_cells, text
from drive.storage import layout

from ..support.browser import wait_until
from ..support.people import Person
from .test_hostile_files import MARK, Elsewhere, Victim, elsewhere

pytestmark = pytest.mark.browser
__all__ = ["elsewhere"]
PATIENCE = 60_000
"""Milliseconds for what a busy machine has to render, load or draw first."""


def display(data: dict[str, Any]) -> dict[str, Any]:
    return code({"output_type": "display_data", "metadata": {}, "data": data})


def hostile_notebook(elsewhere: str) -> dict[str, Any]:
    """Outputs of each kind, each with what would reach another site or run if it could."""
    html = f"<img src='{elsewhere}/image' onerror=\"console.log('{MARK}')\"><link rel=preconnect href='{elsewhere}'>"
    html += f"<script>console.log('{MARK}')</script><a href='{elsewhere}/link'>words</a>"
    script = f"<script>console.log('{MARK}');fetch('{elsewhere}/script')</script>"
    plotly = {
        "data": [{"y": [1, 3, 2], "type": "bar", "name": html, "hovertemplate": html}],
        "layout": {
            "title": {"text": f"A bar {html}"},
            "images": [{"source": f"{elsewhere}/plotly.png", "x": 0, "y": 1, "sizex": 1, "sizey": 1}],
        },
        "config": {"plotlyServerURL": elsewhere},
    }
    webgl = {"data": [{"x": [1, 2], "y": [1, 3], "mode": "markers", "type": "scattergl"}]}
    vega = {
        "data": {"values": [{"a": "A chart", "b": 2, "u": f"{elsewhere}/vega.png"}]},
        "layer": [
            {"mark": "bar", "encoding": {"x": {"field": "a"}, "y": {"field": "b", "type": "quantitative"}}},
            {"mark": {"type": "image", "width": 9, "height": 9}, "encoding": {"url": {"field": "u"}}},
        ],
        "config": {"background": f"url({elsewhere}/background)"},
        "usermeta": {"embedOptions": {"loader": {"baseURL": elsewhere}, "patch": f"{elsewhere}/patch"}},
    }
    loaded = {"data": {"url": f"{elsewhere}/data.json"}, "mark": "point", "encoding": {"x": {"field": "a"}}}
    evaluated = {"data": {"values": [{}]}, "transform": [{"calculate": f"console.log('{MARK}')", "as": "a"}]}
    return of_cells(
        text("# Plots\n\nof several libraries"),
        display({"application/vnd.plotly.v1+json": plotly, "text/html": script}),
        display({"application/vnd.plotly.v1+json": webgl}),
        display({"application/vnd.vegalite.v5+json": vega, "image/png": PIXEL}),
        display({"application/vnd.vegalite.v5+json": loaded}),
        display({"application/vnd.vegalite.v5+json": evaluated | {"mark": "bar"}}),
        display({"text/html": script}),
    )


BOKEH = Path(tests.__file__).parent / "cases/bokeh.ipynb"


def bokeh_notebook(elsewhere: str) -> dict[str, Any]:
    """What Bokeh wrote, with what would run, or reach another site, if it could; a plot of Plotly, and diagrams."""
    hostile = f"<img src='{elsewhere}/image' onerror='console.log(`{MARK}`)'>"
    html = f"{hostile}<link rel=preconnect href='{elsewhere}'><script>console.log(`{MARK}`)</script>words"
    raw = BOKEH.read_text().replace("HTML", html).replace("SCRIPT", f"console.log('{MARK}')")
    notebook: dict[str, Any] = json.loads(raw)
    notebook["cells"] += [
        display({"application/vnd.plotly.v1+json": {"data": [{"y": [1, 3, 2], "type": "bar"}]}}),
        text(f'```mermaid\nflowchart LR\n  A[First] --> B["{hostile} Last"]\n```'),
        text("```mermaid\nno diagram at all\n```"),
    ]
    return notebook


MERMAID = """# Diagrams

```mermaid
sequenceDiagram
    Alice->>Bob: Hello<br/>Bob & others
```

```mermaid
pie title Samples
    "a" : 3
    "b" : 1
```

```mermaid
nothing that is drawn
```
"""


def attempts(elsewhere: str) -> list[str]:
    """What a script that did run in the frame would try: expressions whose promises must be rejected."""
    return [
        f"fetch('{elsewhere}/fetch')",
        f"fetch('{settings.PORTAL_URL}/account/', {{credentials: 'include'}})",
        "(async () => document.cookie)()",
        "(async () => localStorage.length)()",
        "(async () => sessionStorage.length)()",
        "(async () => indexedDB.open('x'))()",
        "(async () => parent.document.title)()",
        "(async () => top.location.href)()",
        "(async () => { top.location = 'about:blank' })()",
        f"(async () => new Worker('{elsewhere}/worker'))()",
        f"new Promise((good, bad) => {{ const it = new WebSocket('{elsewhere}'); it.onopen = good;"
        " it.onerror = bad; })",
        f"new Promise((good, bad) => {{ const it = new Image(); it.onload = good; it.onerror = bad;"
        f" it.src = '{elsewhere}/picture'; }})",
        f"(async () => {{ document.createElement('script').src = '{elsewhere}/code' }})()",
    ]


def test_it_draws_them_after_a_click_where_they_can_reach_nothing(
    browser: Browser, owner: Person, elsewhere: Elsewhere
) -> None:
    library = services.create_library(owner.user, "Plots")
    place: Path = layout.find(library.pk)
    (place / "plots.ipynb").write_text(json.dumps(hostile_notebook(elsewhere.address)))
    victim = Victim(browser, owner)
    page = victim.page
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/plots.ipynb")
    expect(page.locator("iframe.rendered[data-measured]")).to_be_visible(timeout=PATIENCE)
    frame = page.frame_locator("iframe.rendered")
    expect(frame.get_by_text("An interactive figure (Plotly)").first).to_be_visible()

    page.get_by_role("link", name="Show interactive outputs").click()
    outputs = frame.locator(".interactive")
    expect(outputs.nth(0).locator(".js-plotly-plot .main-svg .bars path").first).to_be_visible(timeout=PATIENCE)
    expect(outputs.nth(1).locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=PATIENCE)
    expect(outputs.nth(2).locator(".vega-embed svg .mark-rect path").first).to_be_visible(timeout=PATIENCE)
    expect(frame.locator(".interactive:not([data-drawn], [data-failed])")).to_have_count(0, timeout=PATIENCE)
    expect(frame.get_by_text("An interactive figure (Plotly)").first).to_be_hidden()
    wait_until(page, "document.querySelector('iframe.rendered').offsetHeight > 900", patience=PATIENCE)

    expect(outputs.nth(3)).to_contain_text("could not be drawn: its data is not in the notebook")
    expect(outputs.nth(4)).to_contain_text("could not be drawn: Illegal callee")

    inside = page.frames[1]
    for tried in attempts(elsewhere.address):
        said = inside.evaluate(f"{tried}.then(() => 'reached', () => 'refused')")
        assert said == "refused", tried
    inside.evaluate(f"document.body.insertAdjacentHTML('beforeend', '<link rel=preconnect href={elsewhere.address}>')")
    assert inside.evaluate("document.querySelectorAll('link').length") == 0
    with urlopen(f"{elsewhere.address}/sentinel", timeout=60):  # who connected before was heard before
        assert elsewhere.heard == ["connection", "/sentinel"]
    inside.evaluate(f"setTimeout(() => {{ location = '{elsewhere.address}/gone' }})")
    expect(frame.locator(".interactive")).to_have_count(0, timeout=PATIENCE)  # the browser's own page of an error
    assert [heard for heard in elsewhere.heard if heard != "connection"] == ["/sentinel"]  # Chromium connects, no more
    assert victim.happened == []


def test_it_draws_bokeh_without_its_scripts_and_diagrams_as_pictures(
    browser: Browser, owner: Person, elsewhere: Elsewhere
) -> None:
    library = services.create_library(owner.user, "Drawings")
    place: Path = layout.find(library.pk)
    (place / "bokeh.ipynb").write_text(json.dumps(bokeh_notebook(elsewhere.address)))
    (place / "README.md").write_text(MERMAID)
    victim = Victim(browser, owner)
    page = victim.page
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/bokeh.ipynb")
    expect(page.locator("iframe.rendered[data-measured]")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="Show interactive outputs").click()
    frame = page.frame_locator("iframe.rendered")
    outputs = frame.locator(".interactive")
    expect(frame.locator(".interactive:not([data-drawn], [data-failed])")).to_have_count(0, timeout=PATIENCE)
    expect(outputs.nth(0).locator("canvas").first).to_be_visible(timeout=PATIENCE)
    expect(outputs.nth(0).get_by_text("words")).to_be_visible()
    outputs.nth(0).get_by_role("button", name="Press").click()
    expect(outputs.nth(1)).to_contain_text("could not be drawn: it needs a script of the notebook")
    expect(outputs.nth(2).locator(".bars path").first).to_be_visible()
    expect(outputs.nth(3).locator("svg").get_by_text("First")).to_be_visible()
    expect(outputs.nth(3).locator("svg").get_by_text("Last")).to_be_visible()
    expect(outputs.nth(4)).to_contain_text("no diagram at all")
    expect(outputs.nth(4)).to_contain_text("could not be drawn")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/")
    expect(page.locator(".diagram img")).to_have_count(2, timeout=PATIENCE)
    expect(page.get_by_text("This diagram could not be drawn")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("iframe")).to_have_count(0, timeout=PATIENCE)
    for picture in page.locator(".diagram img").all():
        wait_until(page, "picture => picture.complete && picture.naturalWidth > 50", picture.element_handle())
    assert not [text for text in said if "TrustedTypePolicy" in text]
    with urlopen(f"{elsewhere.address}/sentinel", timeout=60):
        assert elsewhere.heard == ["connection", "/sentinel"]
    assert victim.happened == []
