"""Runs in the sandbox of a build: solves, fetches and installs a conda environment. Standard library and py-rattler.

Packages' link scripts run here, where they see the new environment and the network only.
"""

import asyncio
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, "/run/lab/site")

from rattler import Client, Config, Gateway, VirtualPackage, install, solve
from rattler.install import InstallerReporter

CACHE = ".packages"
"""Below the prefix: on the same disk, so that files are linked from it and not copied."""
SCHEMES = ("https://", "file:///run/lab/channels/")


class BuildFailedError(Exception):
    """The environment could not be built; the text is for the log."""


class Told(InstallerReporter):
    """Progress of the installation as lines of the log."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self._scripts: list[str] = []

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:
        """A package is fetched."""
        print(f"Fetching {package_name}", flush=True)
        return operation

    def on_link_start(self, operation: int, package_name: str) -> int:
        """A package is put into the environment."""
        print(f"Installing {package_name}", flush=True)
        return operation

    def on_post_link_start(self, package_name: str, script_path: str) -> int:
        """A package's own script begins."""
        print(f"Running {script_path}", flush=True)
        self._scripts.append(package_name)
        return len(self._scripts) - 1

    def on_post_link_complete(self, index: int, success: bool) -> None:
        """A package's script ended."""
        if not success:
            self.failed.append(self._scripts[index])


async def build(prefix: Path, packages: list[str], channels: list[str]) -> None:
    """Raises BuildFailedError, or an exception of rattler's."""
    client = Client.from_config(Config.from_toml('tls-root-certs = "system"'))
    cache = prefix / CACHE
    print(f"Looking for {', '.join(packages)} in {', '.join(channels)}", flush=True)
    records = await solve(
        channels,
        packages,
        gateway=Gateway(cache / "index", client=client),
        virtual_packages=VirtualPackage.detect(),
        channel_relations="disabled",  # a channel's own word must not add channels that nobody has named
    )
    for record in sorted(records, key=lambda one: one.name.normalized):
        print(f"  {record.name.normalized} {record.version} {record.build}", flush=True)
        if not record.url.startswith(SCHEMES):
            raise BuildFailedError(
                f"{record.name.normalized} would be fetched from {record.url}, which is not allowed."
            )
    told = Told()  # type: ignore[abstract]  # what it leaves out does nothing, in a body that looks empty
    await install(
        records,
        prefix,
        cache_dir=cache / "packages",
        execute_link_scripts=True,
        show_progress=False,
        client=client,
        reporter=told,
    )
    shutil.rmtree(cache)
    if told.failed:
        raise BuildFailedError(f"The post-link script of {', '.join(told.failed)} failed.")


def main() -> None:
    """Arguments: the prefix, and the order as a file of JSON."""
    prefix, order = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    try:
        asyncio.run(build(prefix, order["packages"], order["channels"]))
    except Exception as error:  # rattler has a class for each kind of trouble; all of them say what it was
        sys.exit(str(error) or repr(error))
    # conda in a Lab looks in the same channels, not in those that it was made with; JSON is YAML.
    remote = [address for address in order["channels"] if address.startswith("https:")]
    (prefix / ".condarc").write_text(json.dumps({"channels": remote}))


if __name__ == "__main__":
    main()
