"""Conda packages that the tests make themselves, and channels of them: no real channel can be reached.

The largest is what JupyterLab needs, taken from the base environment, so that a Lab really starts in what is built.
"""

import asyncio
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import rattler
from rattler.index import index_fs

Content = str | Path
"""A file's text (executable where it begins with #!), or a file or link of this machine."""
VERSION = "1.0"
BLOCK_BYTES = 1 << 17

_CLOSURE = """
import importlib.metadata as m, json, os, re, sys
from packaging.requirements import Requirement
seen, todo, files = set(), ["jupyterlab", "ipykernel"], set()
while todo:
    name = re.sub("[-_.]+", "-", todo.pop()).lower()
    if name in seen:
        continue
    seen.add(name)
    try:
        found = m.distribution(name)
    except m.PackageNotFoundError:
        continue
    asked = map(Requirement, found.requires or [])
    todo += [one.name for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    files |= {os.path.relpath(found.locate_file(file), sys.prefix) for file in found.files or []}
print(json.dumps([file for file in files if not file.startswith(("..", "bin/")) and "__pycache__" not in file]))
"""


def index(channel: Path, **info: object) -> Path:
    """Make the packages in it a channel, as `conda index` does. `info`: what it says of itself beside."""
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False))
    for path in channel.glob("*/repodata.json"):
        content = json.loads(path.read_text())
        content["info"] |= info
        path.write_text(json.dumps(content))
    return channel


def package(
    channel: Path,
    name: str,
    files: Mapping[str, Content],
    *,
    version: str = VERSION,
    depends: tuple[str, ...] = (),
    suffix: str = ".conda",
) -> Path:
    """A noarch package in the channel."""
    facts = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": list(depends)}
    facts |= {"subdir": "noarch", "noarch": "generic", "timestamp": 1_700_000_000_000}
    paths = {"paths": [_entry(path, content) for path, content in files.items()], "paths_version": 1}
    about: dict[str, Content] = {"info/index.json": json.dumps(facts), "info/paths.json": json.dumps(paths)}
    about["info/files"] = "\n".join(files)
    target = channel / "noarch" / f"{name}-{version}-0{suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".tar.bz2":
        with tarfile.open(target, "w:bz2") as archive:
            _put(archive, {**about, **files})
    else:
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
            for part, content in (("pkg", files), ("info", about)):
                with archive.open(f"{part}-{target.stem}.tar.zst", "w", force_zip64=True) as out:
                    _pack(content, out)
    return target


def _entry(path: str, content: Content) -> dict[str, object]:
    """As in info/paths.json (docs.conda.io, "Package metadata")."""
    if isinstance(content, Path) and content.is_symlink():
        return {"_path": path, "path_type": "softlink"}
    data = content.read_bytes() if isinstance(content, Path) else content.encode()
    digest = hashlib.sha256(data).hexdigest()
    return {"_path": path, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(data)}


def _put(archive: tarfile.TarFile, files: Mapping[str, Content]) -> None:
    for path, content in files.items():
        if isinstance(content, Path):
            archive.add(content, path)
            continue
        data = content.encode()
        info = tarfile.TarInfo(path)
        info.size, info.mode = len(data), 0o755 if content.startswith("#!") else 0o644
        archive.addfile(info, io.BytesIO(data))


def _pack(files: Mapping[str, Content], out: IO[bytes]) -> None:
    """As a Zstandard frame of raw blocks (RFC 8878, 3.1.1): packing well would take longer than all the rest."""
    with tempfile.TemporaryFile() as tar:
        with tarfile.open(fileobj=tar, mode="w") as archive:
            _put(archive, files)
        left = tar.tell()
        tar.seek(0)
        out.write(b"\x28\xb5\x2f\xfd\x00" + bytes([7 << 3]))
        while left:
            block = tar.read(BLOCK_BYTES)
            left -= len(block)
            out.write((len(block) << 3 | (not left)).to_bytes(3, "little") + block)


def python(channel: Path, base: Path, folder: Path) -> None:
    """`python` and `pip`, made of the base environment's: this machine's interpreter and what stands around it."""
    link = folder / "python"
    real = Path(os.path.realpath(base / "bin/python"))
    link.symlink_to(real)
    home = f"home = {real.parent}\ninclude-system-site-packages = false\n"
    package(channel, "python", {"bin/python": link, "bin/python3": link, "pyvenv.cfg": home}, version="3.99")
    pip = [str(path.relative_to(base)) for path in base.glob("lib/python3*/site-packages/pip/**/*") if path.is_file()]
    pip = [path for path in pip if "__pycache__" not in path]
    package(channel, "pip", {path: base / path for path in pip}, depends=("python",))


def jupyter(channel: Path, base: Path, versions: Mapping[str, str]) -> None:
    """`jupyterlab` with all that it needs, and an empty `ipykernel`."""
    done = subprocess.run([base / "bin/python", "-c", _CLOSURE], capture_output=True, text=True, check=True)
    files = {path: base / path for path in sorted(json.loads(done.stdout))}
    package(channel, "jupyterlab", files, version=versions["jupyterlab"], depends=("python",))
    package(channel, "ipykernel", {}, version=versions["ipykernel"], depends=("jupyterlab",))


CONDA = """#!/usr/bin/env python
import asyncio, os, sys
from pathlib import Path
from rattler import Gateway, MatchSpec, PrefixRecord, install, solve

async def main(do, dash_c, channel, name):
    assert (do, dash_c) == ("install", "-c")
    prefix = Path(os.environ["CONDA_PREFIX"])
    there = [PrefixRecord.from_path(path) for path in prefix.glob("conda-meta/*.json")]
    cache = prefix / "pkgs"
    new = await solve([channel], [name], gateway=Gateway(cache / "index"), locked_packages=there)
    names = {record.name.normalized for record in new}
    kept = [record for record in there if record.name.normalized not in names]
    await install([*kept, *new], prefix, cache_dir=cache, installed_packages=there, show_progress=False)
    print("installed", *names)

asyncio.run(main(*sys.argv[1:]))
"""


def conda(channel: Path, base: Path) -> None:
    """`conda` of the tests, which leaves all work to py-rattler, and that."""
    [place] = base.glob("lib/python3*/site-packages")
    origin = Path(rattler.__file__).parent
    paths = [path for path in origin.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    target = place.relative_to(base) / "rattler"
    package(channel, "py-rattler", {str(target / path.relative_to(origin)): path for path in paths})
    package(channel, "conda", {"bin/conda": CONDA}, depends=("python", "py-rattler"))
