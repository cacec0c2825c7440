"""For benchmarks of one part without the site around it: a process, a database and a Drive of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_alone(name: str, measure: Callable[[], None]) -> None:
    """Run `bench.<name>` anew, with settings of its own, which are read once per process; there, call `measure`."""
    if os.environ.get("BENCH_INSIDE"):
        _set_up()
        measure()
        return
    with tempfile.TemporaryDirectory() as var:
        environment = os.environ | {"BENCH_INSIDE": "1", "COLLABORATORY_VAR": var, "DRIVE_ROOT": f"{var}/drive"}
        environment |= {"DATABASE_URL": f"sqlite:///{var}/bench.sqlite3"}
        subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=ROOT, env=environment, check=True)


def _set_up() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
