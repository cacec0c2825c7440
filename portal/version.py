"""The version of the site: `project.version` in pyproject.toml, the one place where it stands."""

import tomllib
from pathlib import Path
from typing import Final

VERSION: Final[str] = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]["version"]
