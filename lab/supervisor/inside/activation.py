"""Activation of a conda environment: its packages' variables, and their scripts in activate.d.

Runs in the sandbox, as the person's own code could, when all limits are in place. Standard library only.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

SECONDS = 20
UNSET = "***unset***"
"""conda's word for a variable that is to go (conda-meta/state)."""
_SHELLS_OWN = (b"_", b"SHLVL", b"PWD", b"OLDPWD")
_SCRIPT = 'for script; do . "$script" >&2; done; exec /usr/bin/env -0'


def activate() -> None:
    """Change our own environment, which kernels and terminals inherit. What fails is left out, and logged."""
    prefix = os.environ.get("CONDA_PREFIX")
    if not prefix:
        return
    for name, value in _variables(Path(prefix)).items():
        if value == UNSET:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    scripts = sorted(str(path) for path in Path(prefix, "etc/conda/activate.d").glob("*.sh"))
    if scripts and (after := _run(scripts)):
        for gone in set(os.environb) - set(after):
            del os.environb[gone]
        os.environb.update(after)


def _variables(prefix: Path) -> "dict[str, str]":
    found = {}
    for path in sorted(prefix.glob("etc/conda/env_vars.d/*.json")):
        found.update(_read(path))
    state = _read(prefix / "conda-meta/state").get("env_vars")
    found.update(state if isinstance(state, dict) else {})
    return {name: value for name, value in found.items() if _can_be_set(name, value)}


def _read(path: Path) -> "dict":
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _can_be_set(name: object, value: object) -> bool:
    if not isinstance(name, str) or not isinstance(value, str):
        return False
    return bool(name) and not {"=", "\0"} & set(name) and "\0" not in value


def _run(scripts: "list[str]") -> "dict[bytes, bytes]":
    """The variables that there are after them; none where one of them failed to come to an end."""
    words = ["/bin/bash", "-c", _SCRIPT, "bash", *scripts]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"The environment's scripts in activate.d were left out: {error}", file=sys.stderr)
        return {}
    pairs = (line.partition(b"=") for line in done.stdout.split(b"\0") if b"=" in line)
    return {name: value for name, _, value in pairs if name and name not in _SHELLS_OWN}
