"""Rules of a sandbox's firewall that cannot be put in place; what rules do: tests/sandbox/test_network.py."""

import asyncio
import os
from pathlib import Path
from typing import Any, cast

import pytest

from lab.supervisor.cgroups import Groups
from lab.supervisor.network import Firewall, NetworkSetupError
from lab.supervisor.server import Supervisor
from portal.sandboxing.firewall import Policy


def test_without_its_programs_no_rules_are_there_and_the_next_sandbox_is_looked_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An OSError, such as of a machine that has no process left, would end the round over all sandboxes."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NetworkSetupError, match="nsenter"):
        asyncio.run(Firewall(Policy()).protect(os.getpid()))


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """With one Lab that runs; `nsenter` writes what it is given to a file, when it can."""
    program = tmp_path / "bin/nsenter"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n/bin/cat >>{tmp_path}/rules\n")
    monkeypatch.setenv("PATH", str(program.parent))
    nobody_starts = cast("Any", None)
    made = Supervisor(
        lab_root=tmp_path / "lab",
        drive_root=tmp_path / "drive",
        run=tmp_path / "run",
        groups=Groups(1, {}),
        limiter=nobody_starts,
        policy=Policy(),
    )
    made._sandbox("0" * 32).init = os.getpid()
    made.firewall.rules = "the rules"
    return made


def test_rules_that_failed_are_tried_again(supervisor: Supervisor, tmp_path: Path) -> None:
    program, rules = tmp_path / "bin/nsenter", tmp_path / "rules"
    asyncio.run(supervisor._protect(supervisor.known.values()))
    assert not rules.exists()
    program.chmod(0o700)
    asyncio.run(supervisor._try_rules_again())
    assert "the rules" in rules.read_text()
    rules.unlink()
    asyncio.run(supervisor._try_rules_again())
    assert not rules.exists(), "nothing is left to be tried"


def test_addresses_that_could_not_be_read_are_read_again(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "bin/nsenter").chmod(0o700)
    asyncio.run(supervisor._follow_addresses())
    assert not supervisor.addresses_are_known
    ip = tmp_path / "bin/ip"
    ip.write_text("""#!/bin/sh\necho '[{"dst": "192.0.2.77"}]'\n""")
    ip.chmod(0o700)
    asyncio.run(supervisor._try_rules_again())
    assert "192.0.2.77" in (tmp_path / "rules").read_text()
