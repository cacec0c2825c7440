"""Packages for next time, in the Lab: one list after the other, and what fails hinders nothing."""

import asyncio
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.supervisor.sandbox_command import INSIDE

sys.path.insert(0, str(INSIDE))
import kept_packages  # type: ignore[import-not-found]

sys.path.remove(str(INSIDE))

Installer = kept_packages.Installer


def a_list(*lines: str, whose: str = "") -> dict[str, Any]:
    return {"whose": whose, "lines": list(lines)}


@pytest.fixture
def python(tmp_path: Path) -> str:
    """In the place of the interpreter: notes its words, and fails for what is named bad."""
    program = tmp_path / "python"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/words\n'
        'case "$*" in *bad*) echo working; echo "ERROR: No matching distribution found for bad"; exit 1;; esac\n'
        'case "$*" in *slow*) sleep 60;; esac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def finish(installer: Any) -> list[dict[str, Any]]:
    """Start it, wait for all, and what it told meanwhile."""
    told: list[dict[str, Any]] = []
    installer.tell = told.append

    async def work() -> None:
        installer.start()
        await asyncio.wait_for(installer.done(), 60)

    asyncio.run(work())
    return told


def states(installer: Any) -> list[str]:
    return [one["state"] for one in installer.state["lists"]]


def test_a_launch_without_any_waits_for_nothing(tmp_path: Path) -> None:
    installer = kept_packages.read(str(tmp_path))
    asyncio.run(asyncio.wait_for(installer.done(), 60))
    assert installer.state == {"lists": []}


def test_it_reads_what_the_launch_brought_along(tmp_path: Path) -> None:
    (tmp_path / "packages.json").write_text('[{"whose": "Cortex", "lines": ["elephant", "neo"]}]')
    installer = kept_packages.read(str(tmp_path))
    expected = {"whose": "Cortex", "packages": 2, "state": "waiting", "said": ""}
    assert installer.state == {"lists": [expected]}


def test_kernels_wait_until_the_last_one_is_there(python: str) -> None:
    installer = Installer([a_list("elephant")], python)

    async def work() -> None:
        kernel = asyncio.create_task(installer.done())
        await asyncio.sleep(0)
        assert not kernel.done()
        installer.start()
        await asyncio.wait_for(kernel, 60)

    asyncio.run(work())
    assert states(installer) == ["installed"]


def test_one_that_fails_hinders_no_other(python: str, tmp_path: Path) -> None:
    installer = Installer([a_list("bad"), a_list("elephant", "neo>=1", whose="Cortex")], python)
    told = finish(installer)
    assert states(installer) == ["failed", "installed"]
    assert installer.state["lists"][0]["said"] == "ERROR: No matching distribution found for bad"
    assert "working" in installer.log
    words = (tmp_path / "words").read_text().splitlines()
    assert words[1].endswith("-- elephant neo>=1")
    assert words[1].startswith("-m pip install")
    steps = [[one["state"] for one in state["lists"]] for state in told]
    expected = [["installing", "waiting"], ["failed", "waiting"], ["failed", "installing"], ["failed", "installed"]]
    assert steps == expected


def test_a_missing_interpreter_is_told(tmp_path: Path) -> None:
    installer = Installer([a_list("elephant")], str(tmp_path / "nothing"))
    finish(installer)
    assert states(installer) == ["failed"]
    assert "could not be started" in installer.state["lists"][0]["said"]


def test_one_that_takes_too_long_is_ended(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_packages, "SECONDS", 0.2)
    installer = Installer([a_list("slow")], python)
    finish(installer)
    assert "did not finish" in installer.state["lists"][0]["said"]


def test_a_page_that_cannot_be_told_hinders_nothing(python: str) -> None:
    installer = Installer([a_list("elephant")], python)

    def fail(state: object) -> None:
        raise RuntimeError("nobody listens")

    async def work() -> None:
        installer.tell = fail
        installer.start()
        await asyncio.wait_for(installer.done(), 60)

    asyncio.run(work())
    assert states(installer) == ["installed"]


def test_what_is_there_already_is_not_installed_again(python: str, tmp_path: Path) -> None:
    installer = Installer([a_list("elephant")], python)

    async def work() -> None:
        installer.start()
        installer.add(a_list("elephant"))
        installer.add(a_list("bad", whose="Cortex"))
        await asyncio.wait_for(installer.done(), 60)
        installer.add(a_list("elephant"))
        installer.add(a_list("bad", whose="Cortex"))  # it failed: it is tried again
        await asyncio.wait_for(installer.done(), 60)

    asyncio.run(work())
    words = (tmp_path / "words").read_text().splitlines()
    assert [line.rpartition("-- ")[2] for line in words] == ["elephant", "bad", "bad"]
    assert states(installer) == ["installed", "failed"]
