"""Capturing what notebooks write: files per second, and the cost of a scan over a library in which nothing has changed.

    python -m bench.capture

The first scan of small files is held against `cp -r` of the same tree followed by `sync`; the scan of 100,000 unchanged
files against `find -newer`. In a database and a directory of its own.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.alone import run_alone

NEW, UNCHANGED, PER_FOLDER, RUNS = 10_000, 100_000, 500, 3


def main() -> None:
    """In a process of its own."""
    run_alone("capture", measure)


def measure() -> None:
    """Build, measure, print."""
    from django.conf import settings

    from drive.libraries import services
    from drive.storage import layout
    from drive.versions import scan
    from portal.models import User

    settings.DRIVE_ROOT.mkdir()
    ada = User.objects.create_user("ada", email="ada@example.org", password="unused")
    library = services.create_library(ada, "Data")
    place = layout.find(library.pk)
    fill(place / "new", NEW)
    ours = seconds(lambda: scan.scan(library))
    copy = settings.DRIVE_ROOT / "copy"
    theirs = seconds(lambda: subprocess.run(f'cp -r "{place}" "{copy}" && sync -f "{copy}"', shell=True, check=True))
    print(
        f"capture of {NEW:,} new files of up to 4 KiB: {NEW / ours:,.0f} files/s; cp -r and sync {NEW / theirs:,.0f}/s"
    )

    fill(place / "unchanged", UNCHANGED - NEW)
    scan.scan(library)
    newer = ["find", str(place), "-newer", str(copy), "-type", "f"]
    ours = min(seconds(lambda: scan.scan(library)) for _ in range(RUNS))
    theirs = min(seconds(lambda: subprocess.run(newer, check=True, stdout=subprocess.DEVNULL)) for _ in range(RUNS))
    print(f"scan of {UNCHANGED:,} unchanged files: {ours:.2f} s; find -newer {theirs:.2f} s: ratio {ours / theirs:.1f}")


def fill(folder: Path, files: int) -> None:
    """Small files, no two alike, some hundreds to a folder."""
    for number in range(files):
        if number % PER_FOLDER == 0:
            (folder / str(number // PER_FOLDER)).mkdir(parents=True)
        text = f"{folder.name} {number}\n"
        (folder / str(number // PER_FOLDER) / f"run {number}.csv").write_text(text * (number % 200 + 1))


def seconds(work: Callable[[], object]) -> float:
    """Of one run, by the clock on the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
