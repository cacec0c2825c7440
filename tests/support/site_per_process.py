"""A plugin of pytest: each process of pytest-xdist gets the settings of a running site of its own.

It is named with `-p`, so that it is imported before Django reads the settings. `bin/test` puts the sites' variables
into TEST_SITES, one after the other; the process that only hands out the tests, and a run with `-n 0`, have the first.
"""

import json
import os

_number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_sites = json.loads(os.environ["TEST_SITES"])
os.environ.update(_sites[_number])
