"""`python -m tests.support.screenshots DIRECTORY`: the README's pictures, of a site with example data."""

import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Literal

import django
from django.conf import settings

if __name__ == "__main__":
    django.setup()

from playwright.sync_api import Page, ViewportSize, expect

from bench.common import running_site
from collabs.models import Collab, Role
from collabs.services import add_member, create_collab
from drive.files import operations
from drive.models import Library
from portal.models import User

from .browser import chromium
from .people import Person
from .site import wait_for

SCREEN: ViewportSize = {"width": 1280, "height": 800}
COLOURS = 128
"""Of each picture's palette: text and lines need no more, and the files stay small."""
TITLE = "Theta Rhythms"
FOLDER = f"drive/Shared%20with%20groups/{TITLE.replace(' ', '%20')}"
PEOPLE = {
    "ada": ("Ada", "Lovelace"),
    "santiago": ("Santiago", "Cajal"),
    "emmy": ("Emmy", "Noether"),
    "lise": ("Lise", "Meitner"),
}
OTHERS = (
    ("Cortex Atlas", "Layers and cell densities of the human cortex, slice by slice.", True, ["anatomy", "atlas"]),
    ("Sleep Spindles", "Detecting spindles in two hundred nights of EEG.", False, ["eeg", "sleep"]),
    ("Summer School 2026", "Notebooks and data of the course on neural time series.", True, ["teaching"]),
)
SAMPLES, RATE_HZ = 1500, 500
README = """# Theta rhythms of the hippocampus

While a rat explores, its hippocampus oscillates at 6 to 9 Hz. We compare this *theta rhythm* in three layers.

![Signal of the three layers over one second](figures/theta.svg)

1. [Theta.ipynb](Theta.ipynb) reads the recordings and makes the figure.
2. The [protocol](protocol.md) says how they were taken.
"""
PROTOCOL = "# Protocol\n\nThree electrodes, 500 samples per second, filtered at 1 to 100 Hz.\n"
STYLE = """# Legible on a light and on a dark ground
figure.facecolor: none
axes.facecolor: none
axes.edgecolor: 7f8895
axes.labelcolor: 7f8895
xtick.color: 7f7f7f
ytick.color: 828282
text.color: 7f8895
legend.frameon: False
axes.spines.top: False
axes.spines.right: False
axes.prop_cycle: cycler("color", ["3b82f6", "f59e0b", "10b981"])
figure.dpi: 96
"""
CELLS = (
    "# Theta rhythms\nOne second in three layers of the hippocampus. The data are in the Collab, for all of its team.",
    """import matplotlib.pyplot as plt
import pandas as pd

plt.style.use("plain.mplstyle")
recording = pd.read_csv("data/recording.csv", index_col="time_s")
recording.describe().loc[["mean", "std"]].round(3)""",
    """figure, axes = plt.subplots(figsize=(8.4, 2.2))
for layer in recording:
    axes.plot(recording.loc[:1, layer], label=layer)
axes.set(xlabel="time (s)", ylabel="potential (mV)", ylim=(-1.4, 1.9))
axes.legend(ncols=3, loc="upper right");""",
)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    """Run the site, fill it, and take each picture in both schemes."""
    target = Path(sys.argv[1])
    with running_site() as site:
        people = {name: create_person(name, *names) for name, names in PEOPLE.items()}
        collab = fill(people)
        site.have_fork_server()
        ada = Person(people["ada"])
        take(ada, collab, target)
        ada.leave()
    shrink(sorted(target.glob("*.png")))


def create_person(username: str, first_name: str, last_name: str) -> User:
    return User.objects.create_user(
        username, email=f"{username}@example.org", password=None, first_name=first_name, last_name=last_name
    )


def fill(people: dict[str, User]) -> Collab:
    """Collabs with teams, and the files of one; returns that."""
    ada, santiago, emmy, lise = people.values()
    for title, description, is_public, tags in OTHERS:
        other = create_collab(lise, title=title, description=description, is_public=is_public, tags=tags)
        add_member(lise, other, ada, Role.EDITOR)
    description = "How the hippocampus keeps time: recordings, analysis and figures of one experiment."
    collab = create_collab(ada, title=TITLE, description=description, tags=["hippocampus", "oscillations"])
    for person, role in ((santiago, Role.EDITOR), (emmy, Role.EDITOR), (lise, Role.VIEWER)):
        add_member(ada, collab, person, role)
    library = Library.objects.get(owner_collab=collab)
    for folder in ("data", "figures"):
        operations.make_folder(ada, library, folder)
    written = (
        (santiago, "data/recording.csv", recording()),
        (santiago, "protocol.md", PROTOCOL),
        (emmy, "figures/theta.svg", picture()),
        (emmy, "plain.mplstyle", STYLE),
        (emmy, "README.md", README),
        (ada, "Theta.ipynb", notebook()),
    )
    for person, path, text in written:
        operations.write(person, library, path, text.encode())
    return collab


def signal(layer: int, time: float, noise: random.Random) -> float:
    """Millivolts: theta of 7.5 Hz, whose phase and strength differ by layer, with some noise."""
    strength, phase = (0.55, 0.9, 0.35)[layer], (0.0, 0.8, 2.4)[layer]
    envelope = 1 + 0.35 * math.sin(2 * math.pi * 0.8 * time)
    return strength * envelope * math.sin(2 * math.pi * 7.5 * time + phase) + noise.gauss(0, 0.05)


def recording() -> str:
    """Three layers, as CSV."""
    noise, times = random.Random(1), [sample / RATE_HZ for sample in range(SAMPLES)]
    rows = [",".join([f"{time:.3f}", *(f"{signal(layer, time, noise):.4f}" for layer in range(3))]) for time in times]
    return "\n".join(["time_s,oriens,pyramidale,radiatum", *rows, ""])


def picture() -> str:
    """One second of them, as a drawing for light and dark ground."""
    noise, lines = random.Random(2), []
    for layer, colour in enumerate(("#3b82f6", "#f59e0b", "#10b981")):
        points = [(x, 60 + 75 * layer - 32 * signal(layer, x / 700, noise)) for x in range(0, 701, 3)]
        drawn = " ".join(f"{x},{y:.1f}" for x, y in points)
        lines.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 260" width="700" height="260">{"".join(lines)}</svg>'
    )


def notebook() -> str:
    kinds = ["markdown", *["code"] * (len(CELLS) - 1)]
    sources = enumerate(zip(kinds, CELLS, strict=True))
    cells: list[dict[str, object]] = [
        {"id": f"cell-{n}", "cell_type": kind, "metadata": {}, "source": text} for n, (kind, text) in sources
    ]
    for cell in cells[1:]:
        cell.update({"execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return json.dumps(
        {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}, indent=1
    )


def take(person: Person, collab: Collab, target: Path) -> None:
    """The notebook in the Lab, home, the Collab and its files, each in both schemes."""
    with chromium() as browser:
        context = browser.new_context(viewport=SCREEN, color_scheme="light", reduced_motion="reduce")
        person.sign_in_at(context)
        page = context.new_page()
        open_in_lab(page)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            expect(page.locator("body")).to_have_attribute("data-jp-theme-light", str(scheme == "light").lower())
            page.wait_for_timeout(1500)  # the theme's style sheet, and what JupyterLab says of saving
            page.screenshot(path=target / f"lab-{scheme}.png")
        for name, address in (
            ("home", ""),
            ("collab", f"collabs/{collab.slug}/"),
            ("files", f"collabs/{collab.slug}/files/"),
        ):
            page.goto(f"{settings.PORTAL_URL}/{address}")
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=target / f"{name}-{scheme}.png")


def open_in_lab(page: Page) -> None:
    """Open the notebook, run it, and leave the pointer nowhere."""
    page.goto(f"{settings.PORTAL_URL}/lab/open?path={FOLDER.removeprefix('drive/')}/Theta.ipynb")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    expect(page.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(page.locator(".jp-OutputArea img")).to_be_visible(timeout=60_000)
    page.keyboard.press("Control+s")
    wait_for(lambda: not page.locator(".jp-mod-dirty").count(), 20, "the notebook was not saved")
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Escape")
    page.mouse.move(0, 0)


def shrink(pictures: list[Path]) -> None:
    """Fewer colours, the same picture; with the Pillow of what renders PDF."""
    program = (
        "import sys\nfrom PIL import Image\nfor name in sys.argv[2:]:\n"
        "    image = Image.open(name).convert('RGB').quantize(int(sys.argv[1]), dither=Image.Dither.NONE)\n"
        "    image.save(name, optimize=True)"
    )
    python = f"{settings.PREVIEW_ENVIRONMENT}/bin/python"
    subprocess.run([python, "-c", program, str(COLOURS), *map(str, pictures)], check=True)


if __name__ == "__main__":
    main()
