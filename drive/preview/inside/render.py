"""Files as one HTML document without scripts, and what differs between two notebooks.

Runs in a sandbox without network and files. The argument says what to do; content comes by stdin (of two notebooks: the
length of the first in a line, then both). What is wrong with the content is said on stderr, with status 3.
"""

import sys
from importlib import import_module

from .page import InvalidContentError

WRONG = 3
WORK = {
    "notebook": ("notebook", "notebook"),
    "pdf": ("pdf", "pdf"),
    "difference": ("notebook_diff", "difference"),
}
"""Module and function for each argument; one is imported, because some take long to import."""


def main() -> None:
    """Content in, result out."""
    module, function = WORK[sys.argv[1]]
    try:
        result: str = getattr(import_module(f".{module}", __package__), function)(sys.stdin.buffer.read())
    except InvalidContentError as error:
        sys.stderr.write(f"\n{error}")
        sys.exit(WRONG)
    sys.stdout.buffer.write(result.encode(errors="replace"))


if __name__ == "__main__":
    main()
