"""Compile the catalogues of `locale/`: `python bin/lib/translations.py`, with the packages of requirements-dev.txt.

What is compiled is committed, so that a site needs no compiler; `portal/tests/test_translations.py` holds both in step.
"""

from pathlib import Path

import polib

LOCALE = Path(__file__).resolve().parents[2] / "locale"


def compiled(source: Path) -> bytes:
    """A `.po` file as a `.mo` file (GNU gettext)."""
    return polib.pofile(str(source)).to_binary()


if __name__ == "__main__":
    for source in LOCALE.rglob("*.po"):
        source.with_suffix(".mo").write_bytes(compiled(source))
