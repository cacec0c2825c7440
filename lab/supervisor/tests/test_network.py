"""Rules of a sandbox's firewall that cannot be put in place; what rules do: tests/sandbox/test_network.py."""

import asyncio
import os

import pytest

from lab.supervisor.network import Firewall, NetworkSetupError
from portal.sandboxing.firewall import Policy


def test_without_its_programs_no_rules_are_there_and_the_next_sandbox_is_looked_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An OSError, such as of a machine that has no process left, would end the round over all sandboxes."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NetworkSetupError, match="nsenter"):
        asyncio.run(Firewall(Policy()).protect(os.getpid()))
