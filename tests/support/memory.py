"""How much memory something takes, as the kernel counts it.

tracemalloc notes each object, which takes five times as long.
"""

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path

PROCESS = Path("/proc/self")


def growth(work: Callable[[], object]) -> int:
    """Bytes by which this process was larger than before, at most, while it worked (proc(5), clear_refs and VmHWM).

    What it had free before is taken first, which is little: all that can be is given back.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    (PROCESS / "clear_refs").write_text("5")  # the peak begins at what there is
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    """A line of the process's status, in bytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", (PROCESS / "status").read_text(), re.MULTILINE)
    assert found, f"no {name}"
    return 1024 * int(found[1])
