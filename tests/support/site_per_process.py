"""A plugin of pytest: each process of pytest-xdist gets the settings of a running site of its own.

It is named with `-p`, so that it is imported before Django reads the settings. `bin/test` puts the sites' variables
into TEST_SITES, one after the other; the process that only hands out the tests, and a run with `-n 0`, have the first.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

LONGEST = (
    "operations/test_killed_processes.py operations/test_rollback.py sandbox/test_drive_space.py lab/test_conda.py"
    " operations/test_backup.py lab/test_builds.py sandbox/test_processor_time.py"
    " lab/test_jupyterhub.py browser/test_editing_together.py operations/test_backup_repository.py"
    " operations/test_full_disk.py"
    " operations/test_updates.py sandbox/test_disk_limits.py rooms/test_rooms.py operations/test_chaos.py"
    " browser/test_accessibility.py sandbox/test_api_from_labs.py sandbox/test_uids.py sandbox/test_system_calls.py"
    " browser/test_restarts.py sandbox/test_network.py proxy/test_proxy.py sandbox/test_forked_kernels.py"
    " browser/test_absent_pages.py lab/test_absent_pages.py browser/test_firefox.py browser/test_story.py"
    " browser/test_science_files.py sandbox/test_fork_server.py lab/test_installed_packages.py"
    " browser/test_hostile_files.py browser/test_jupyterlab_panel.py sandbox/test_server_log.py"
    " browser/test_text_editor_together.py operations/test_systemd_units.py lab/test_live_access.py"
    " lab/test_links_into_labs.py lab/test_saves.py browser/test_chaos_together.py lab/test_launches.py"
    " lab/test_idle_culling.py rooms/test_chaos.py sandbox/test_limits.py sandbox/test_hostile_processes.py"
    " sandbox/test_shared_limits.py seafile/test_seafile.py webdav/test_webdav.py browser/test_workspaces.py"
    " sandbox/test_fairness.py lab/test_environments.py browser/test_notebooks.py browser/test_day.py"
).split()
"""Files that take longer than others, the longest first: a process goes through a whole file (`--dist loadfile`), and
one that began with such a file when the others were nearly done would be at work by itself for minutes."""

REPORT_LINES = 60
"""Of a test's first try."""

_number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_sites = json.loads(os.environ["TEST_SITES"])
os.environ.update(_sites[_number])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: of what is not named above, files with many tests."""
    ranks = {f"tests/{name}": rank for rank, name in enumerate(LONGEST)}
    assert all(Path(name).exists() for name in ranks), "a file was moved"
    numbers = Counter(map(_file, items))
    items.sort(key=lambda item: (ranks.get(_file(item), len(ranks)), -numbers[_file(item)]))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why a test that was tried again had failed: its second try tells nothing of that."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"first try of {report.nodeid}", sep="-")
        terminalreporter.write_line("\n".join(report.longreprtext.splitlines()[-REPORT_LINES:]))
