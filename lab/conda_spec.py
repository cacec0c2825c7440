"""Specification of a conda environment: packages and channels, checked, and written down for a build.

Channels and packages are data: an address decides where software comes from and, for `file:`, what of this machine a
build is shown. So only these two kinds of addresses are known, and the second only below LAB_CONDA_FILES.
"""

import importlib.util
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

ANACONDA = "https://conda.anaconda.org/"
DEFAULT = "conda-forge"
"""Where packages come from when no channel is named."""
PROGRAM = Path(__file__).parent / "environments/conda_build.py"
INSIDE = "/run/lab/channels"
"""Where a build sees the channels of this machine."""
NEEDED = ("python", "pip", "conda")
"""What is in every conda environment, beside what a Lab needs."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
# Name, versions and build of a “match spec” (docs.conda.io): no channel, no address, no file.
_PACKAGE = re.compile(r"[a-z0-9_][a-z0-9_.-]*([ =<>!~][A-Za-z0-9_.+*!=<>~|,() ]*)?")


class InvalidCondaSpecError(ValueError):
    """A line that is no package or no channel. `str(error)` is for the operator."""


@dataclass(frozen=True)
class Channel:
    """A conda channel: a source of packages, in order of priority."""

    url: str
    """As it is everywhere; of a directory only what a build calls it."""
    directory: Path | None = None
    """On this machine, without links."""


def lines(text: str) -> list[str]:
    """Lines of a text without empty ones and comments."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def packages(text: str) -> list[str]:
    """Each line, checked; raises InvalidCondaSpecError."""
    found = lines(text)
    for line in found:
        if not _PACKAGE.fullmatch(line):
            raise InvalidCondaSpecError(
                f"“{line}” is not a conda package. Enter a name and versions, such as “numpy >=2,<3”."
            )
    return found


def channels(text: str) -> list[Channel]:
    """Each line, checked; raises InvalidCondaSpecError."""
    return [_channel(line, number) for number, line in enumerate(lines(text) or [DEFAULT])]


def _channel(line: str, number: int) -> Channel:
    if _NAME.fullmatch(line):
        return Channel(f"{ANACONDA}{line}")
    try:
        parts = urlsplit(line)
        parts.port  # noqa: B018  # raises ValueError for what is no number
    except ValueError:
        raise InvalidCondaSpecError(f"“{line}” is not a valid address.") from None
    plain = re.fullmatch(r"[!-~]+", line) and "\\" not in line and not parts.query and not parts.fragment
    if plain and parts.scheme == "https" and parts.hostname:
        if "@" in parts.netloc or "/t/" in f"{parts.path}/":
            raise InvalidCondaSpecError(
                "A channel's address must not contain a password or token: every Lab can read it."
            )
        return Channel(line.rstrip("/"))
    if plain and parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Channel(f"file://{INSIDE}/{number}", _directory(line, unquote(parts.path)))
    raise InvalidCondaSpecError(f"“{line}” is not a channel. Enter a name such as conda-forge, or an https address.")


def _directory(line: str, path: str) -> Path:
    """Directory of a `file:` channel, links resolved; InvalidCondaSpecError outside of the allowed ones."""
    try:
        found = Path(os.path.realpath(path))
    except ValueError:  # NUL
        found = Path("/")
    roots = [Path(os.path.realpath(root)) for root in settings.LAB_CONDA_FILES]
    if not any(found.is_relative_to(root) for root in roots) or not found.is_dir():
        raise InvalidCondaSpecError(f"“{line}” is not a directory inside those listed in the setting LAB_CONDA_FILES.")
    names = ("VAR_DIR", "RUN_DIR", "LAB_ROOT", "DRIVE_ROOT", "IDENTITY_KEYS", "BASE_DIR")
    ours = [Path(os.path.realpath(getattr(settings, name))) for name in names]
    if any(found.is_relative_to(place) or place.is_relative_to(found) for place in ours):
        raise InvalidCondaSpecError(
            f"“{line}” contains files of the site, or is inside them. Use a separate directory."
        )
    return found


def check(package_text: str, channel_text: str) -> dict[str, str]:
    """Errors by field of the environment."""
    wrong = {}
    for field, read, text in (("packages", packages, package_text), ("channels", channels, channel_text)):
        try:
            read(text)
        except InvalidCondaSpecError as error:
            wrong[field] = str(error)
    return wrong


def build_input(pins: list[str], package_text: str, found: list[Channel]) -> str:
    """The build's input as JSON. `pins`: a Lab's requirements as pip writes them, taken in the same minor version."""
    needed = [*NEEDED, *(re.sub(r"==(\d+\.\d+).*", r" \1.*", pin) for pin in pins)]
    addresses = [channel.url for channel in found]
    return json.dumps({"packages": [*needed, *packages(package_text)], "channels": addresses})


def bind_words(found: list[Channel]) -> list[str]:
    """bubblewrap's words for py-rattler and the channels of this machine, which a build sees too."""
    spec = importlib.util.find_spec("rattler")
    assert spec
    assert spec.origin
    words = ["--ro-bind", str(Path(spec.origin).parent), "/run/lab/site/rattler"]
    words += ["--ro-bind", str(PROGRAM), "/run/lab/conda_build.py"]
    for channel in found:
        if channel.directory:
            words += ["--ro-bind", str(channel.directory), urlsplit(channel.url).path]
    return words
