"""A zip of 10,000 small files beside `zip -0` on the same tree, and the memory that it takes.

    python bench/zip.py

Both write to /dev/null through a pipe, files in the page cache; ours is what the page's answer is made of.
"""

import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES, FOLDERS, RUNS = 10_000, 100, 7
LARGE = 2 << 30


def main() -> None:
    """Build the tree, then measure each in a process of its own, in turns."""
    if len(sys.argv) == 3:
        inside(Path(sys.argv[1]), sys.argv[2])
        return
    if not shutil.which("zip"):
        sys.exit("This needs `zip` (apt-get install zip).")
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place, "tree")
        fill(tree)
        with Path(place, "large").open("wb") as large:
            large.truncate(LARGE)
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(float(run([sys.executable, __file__, str(place), "tree"]).split()[0]))
            theirs.append(timed(["zip", "-0", "-q", "-r", "-", "tree"], place))
        one, other = statistics.median(ours), statistics.median(theirs)
        print(f"{FILES:,} files: ours {one:.2f} s, zip -0 {other:.2f} s, ratio {one / other:.2f}")
        for what in ("nothing", "tree", "large"):
            print(f"peak memory, {what}: {run([sys.executable, __file__, str(place), what]).split()[1]} MiB")


def fill(tree: Path) -> None:
    """Files of 0 to 4 KiB."""
    numbers = random.Random(1)
    for number in range(FILES):
        folder = tree / f"folder {number % FOLDERS}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number}.dat").write_bytes(numbers.randbytes(numbers.randrange(4096)))


def run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def timed(command: list[str], place: str) -> float:
    """Seconds until the last byte was read."""
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE) as process:
        assert process.stdout
        while process.stdout.read(1 << 18):
            pass
    return time.perf_counter() - began


def inside(place: Path, what: str) -> None:
    """Pack, into a pipe that is emptied; print seconds and the largest resident size."""
    sys.path.insert(0, str(ROOT))
    os.environ.update(DJANGO_SETTINGS_MODULE="portal.settings", COLLABORATORY_VAR=str(place))
    import django

    django.setup()
    from drive.files import zip_stream
    from drive.storage import LibraryFiles

    sink = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert sink.stdin
    began = time.perf_counter()
    root = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    with LibraryFiles(root, staging=place, trash=place, lock=place / "lock") as files:
        for block in zip_stream.pack(files, [(what, what)] if what != "nothing" else []):
            os.write(sink.stdin.fileno(), block)
    sink.stdin.close()
    sink.wait()
    seconds = time.perf_counter() - began
    print(f"{seconds:.4f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


if __name__ == "__main__":
    main()
