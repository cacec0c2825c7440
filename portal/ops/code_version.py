"""Which code this is, and which one the database belongs to: for whoever goes back.

`bin/up` notes it in VAR_DIR/code.json each time it has prepared everything. The database itself has the version alone.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from portal.version import VERSION


@dataclass(frozen=True)
class CodeVersion:
    """A version of the code."""

    version: str = ""
    """Empty: not known."""
    commit: str = ""
    """Of its repository; empty: not known, or of a release's archive."""

    def __str__(self) -> str:
        commit = f" ({self.commit})" if self.commit else ""
        return f"{self.version}{commit}" if self.version else "an earlier version"

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def present() -> CodeVersion:
    """This code's."""
    return CodeVersion(VERSION, os.environ.get("COLLABORATORY_COMMIT", ""))


def noted() -> CodeVersion:
    """Of the code that was last noted."""
    try:
        found = json.loads(_place().read_text())
        return CodeVersion(str(found["version"]), str(found["commit"]))
    except (OSError, ValueError, KeyError, TypeError):
        return CodeVersion()


def note(code: CodeVersion) -> None:
    """Note that the database belongs to this code."""
    if noted() != code:
        draft = _place().with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(code.as_json()) + "\n")
        draft.replace(_place())


def _place() -> Path:
    return Path(settings.VAR_DIR) / "code.json"
