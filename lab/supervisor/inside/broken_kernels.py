"""Why a kernel ended while it was starting: what it could not import, and which of its packages were changed.

`pip install` in a notebook may put another version in the place of a package that kernels need themselves; the kernel
in which that was done goes on, and every later one ends at once.
"""

import asyncio
import re
import subprocess
import sys
from importlib import metadata

from tornado import web

KERNEL = "ipykernel"
TRIAL = "import ipykernel.kernelapp, ipykernel.ipkernel"
TRIAL_SECONDS = 30
LINE = 300
"""Characters of an error that are shown."""
SHOWN = 5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class KernelEndedError(web.HTTPError):
    """A kernel ended before it could be used. The text is for the person, whatever Jupyter makes of the error."""

    def __init__(self, text: str) -> None:
        super().__init__(500, text)
        self.text = text

    def __str__(self) -> str:
        return self.text


def versions() -> "dict[str, str]":
    """Versions of all packages that a kernel of this environment needs, as they are installed now."""
    found: dict[str, str] = {}
    wanted = [KERNEL]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another system, or another Python
            continue
        found[name] = package.version or ""  # of a broken one there is none
        wanted += [_key(line) for line in package.requires or () if "extra ==" not in line]
    return found


def _key(requirement: str) -> str:
    """Normalized name of the package in a requirement (PEP 503)."""
    match = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


AT_START = versions()
"""When this server began; a fork server has read it before."""


def is_python(command: "list[str]") -> bool:
    """True for a kernel that is IPython's, of whichever environment."""
    return "ipykernel_launcher" in command


async def explain(command: "list[str]") -> str:
    """Sentences about a kernel that ended, for its person."""
    said = ["The kernel ended while it was starting."]
    if is_python(command):
        error = await asyncio.to_thread(_import_error, command[0])
        said += [f"Python says: {error}"] if error else []
        said += _about(_changed()) if command[0] == sys.executable else []
    said.append(
        "Or press “Start with a fresh Lab” on the page My Lab of this site. Your Drive is kept, and notebooks and text "
        "files of your home are copied there."
    )
    return " ".join(said)


def _about(changed: "dict[str, tuple[str, str]]") -> "list[str]":
    if not changed:
        return []
    listed = [f"{name} {now or 'is gone'} (was {before})" for name, (before, now) in list(changed.items())[:SHOWN]]
    back = " ".join(f"'{name}=={before}'" for name, (before, _) in list(changed.items())[:SHOWN])
    return [
        f"Jupyter needs packages that were changed in this Lab: {', '.join(listed)}.",
        f"To put them back, open a terminal and run: pip install {back}",
    ]


def _changed() -> "dict[str, tuple[str, str]]":
    """Version at the start and now, of packages in which they differ."""
    now = versions()
    return {name: (before, now.get(name, "")) for name, before in AT_START.items() if now.get(name, "") != before}


def _import_error(python: str) -> str:
    """Last line of what Python says when a kernel's modules are imported; "" when they can be."""
    try:
        done = subprocess.run(
            [python, "-c", TRIAL], stdin=subprocess.DEVNULL, capture_output=True, timeout=TRIAL_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)[:LINE]
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:LINE] if done.returncode and lines else ""
