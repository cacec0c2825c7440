"""A plugin of pytest: which lines and branches of some apps the tests of a process take, by SlipCover.

SlipCover changes the code of these apps as it is imported, and the tests need a sixth more time. Before Python 3.12,
coverage.py watches every line of Django too, and they need two thirds more. The plugin is named with `-p`, so that it
is imported before the apps. COVERED_APPS names them; bin/test adds up what is written to COVERAGE_DIRECTORY.
"""

import json
import os
from pathlib import Path

import pytest
import slipcover

SOURCES = os.environ["COVERED_APPS"].split()
OMITTED = ["*/tests/*", "*/migrations/*", "*/conftest.py"]

_coverage = slipcover.Slipcover(branch=True, source=SOURCES, omit=OMITTED)
slipcover.ImportManager(_coverage, slipcover.FileMatcher(sources=SOURCES, omit=OMITTED)).__enter__()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write it, of each process that runs tests."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker or not session.config.getoption("numprocesses", None):
        report = Path(os.environ["COVERAGE_DIRECTORY"]) / f"coverage-{worker}.json"
        report.write_text(json.dumps(_coverage.get_coverage()))
