"""What bin/up installs, as files for machines without a network: `bin/up --download DIR`, there `bin/up --from DIR`.

    DIR/about.json    for which distribution, architecture and Python
    DIR/wheels        Python packages of the portal, the previews and the Lab's base environment; with LDAP_URL, of LDAP
    DIR/debs          Debian packages with all that they need, as an apt repository

Both machines have the same release of the distribution; nothing of the first one is in the files.
"""

import hashlib
import json
import platform
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import machine
from extras import DIRECTORY, Extra

REQUIREMENTS = (
    "requirements.txt",
    "drive/preview/environment.txt",
    "drive/preview/science.txt",
    "lab/environments/pins/base.txt",
)
TOOLS = ("uv",)
DOWNLOADED = {*machine.PACKAGES.values(), *machine.BACKUP_PACKAGES.values(), "python3-venv"}


def download(code: Path, place: Path, extras: list[Extra]) -> None:
    """Fill DIR, which is made, or brought up to date. RequirementError; not for root, as packages may be built.

    `extras`: what the settings ask for. What signs in with an LDAP directory is compiled here.
    """
    if machine.is_root():
        raise machine.RequirementError("Downloading needs no rights: run it as another account than root.")
    programs = machine.DIRECTORY_PACKAGES if DIRECTORY in extras else {}
    if missing := machine.missing_packages(programs):
        raise machine.RequirementError(machine.advice(missing))
    python = machine.find_python()
    for name in ("wheels", "debs"):
        (place / name).mkdir(parents=True, exist_ok=True)
    for name in (*REQUIREMENTS, *(extra.requirements for extra in extras)):
        machine.say(f"Downloading what {name} names")
        download_wheels(python, place / "wheels", ["-r", str(code / name)])
    download_wheels(python, place / "wheels", list(TOOLS))
    machine.say("Downloading Debian packages")
    download_packages(place / "debs", sorted({*DOWNLOADED, *programs.values()}))
    (place / "about.json").write_text(json.dumps(kind_of_machine(python)) + "\n")
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    print(f"\n{place} has all that a {_described(kind_of_machine(python))} needs ({size >> 20} MB). Take it there with")
    print(f"this checkout, and run: bin/up --from {place}")


def download_wheels(python: str, place: Path, words: list[str]) -> None:
    """Wheels of these requirements; what has none for this machine is built."""
    with tempfile.TemporaryDirectory() as directory:
        machine.run_quietly([python, "-m", "venv", directory])
        pip = [f"{directory}/bin/python", "-m", "pip", "--disable-pip-version-check"]
        machine.run_quietly([*pip, "wheel", "--quiet", "--find-links", str(place), "--wheel-dir", str(place), *words])


def download_packages(place: Path, names: list[str]) -> None:
    """Debian packages, and all that they need, as if nothing was installed; `place` is an apt repository then."""
    with tempfile.TemporaryDirectory() as directory:
        nothing, archives, lists = (Path(directory, name) for name in ("status", "archives", "lists"))
        nothing.touch()
        for path in (archives, lists):
            (path / "partial").mkdir(parents=True)
        values = [f"Dir::State::status={nothing}", f"Dir::Cache::archives={archives}", f"Dir::State::lists={lists}"]
        values += ["Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=", "Debug::NoLocking=1", "APT::Sandbox::User="]
        options = [f"-o{value}" for value in values]
        machine.run_quietly(["apt-get", *options, "update", "-qq"])
        companions = [other for name in names for other in machine.COMPANIONS.get(name, [])]
        names = names + [other for other in companions if machine.is_offered(other, options)]
        command = ["apt-get", *options, "-qq", "-y", "--no-install-recommends", "--download-only", "install"]
        machine.run_quietly([*command, *names])
        for old in place.glob("*.deb"):
            old.unlink()
        for package in archives.glob("*.deb"):
            shutil.copy(package, place / package.name)
    (place / "Packages").write_text("\n".join(_stanza(path) for path in sorted(place.glob("*.deb"))))


def _stanza(package: Path) -> str:
    """Of the repository's index."""
    control = subprocess.run(["dpkg-deb", "--field", package], stdout=subprocess.PIPE, text=True, check=True).stdout
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return f"{control.strip()}\nFilename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n"


def check(place: Path) -> None:
    """RequirementError where DIR is for another kind of machine, or is none of ours."""
    try:
        meant = json.loads((place / "about.json").read_text())
    except (OSError, ValueError) as error:
        raise machine.RequirementError(
            f"{place} was not made by bin/up --download, or not to its end, or cannot be read."
        ) from error
    here = kind_of_machine(None)
    # Where venv is missing yet, the interpreter is not known.
    if any(meant[name] != here[name] for name in here if here[name]):
        raise machine.RequirementError(f"{place} is for a {_described(meant)}; this is a {_described(here)}.")


def check_extra(place: Path, extra: Extra) -> None:
    """RequirementError where DIR was filled for a site without it."""
    if not any((place / "wheels").glob(extra.wheel)):
        raise machine.RequirementError(
            f"{place} has nothing of {extra.what}. Fill it once more, with the setting:"
            f" {extra.setting}={extra.example} bin/up --download DIR"
        )


def check_readable(place: Path, account: pwd.struct_passwd) -> None:
    """RequirementError where the site's account cannot read DIR; for root."""
    if subprocess.run(
        ["test", "-r", place / "about.json", "-a", "-x", place], **machine.as_account(account)
    ).returncode:
        raise machine.RequirementError(
            f"The account “{account.pw_name}” cannot read {place}. Move it to where it can, such as /srv."
        )


def check_python(place: Path, python: str) -> None:
    """RequirementError where the packages are for another Python."""
    meant, here = json.loads((place / "about.json").read_text()), kind_of_machine(python)
    if meant != here:
        raise machine.RequirementError(f"{place} is for a {_described(meant)}; this is a {_described(here)}.")


def kind_of_machine(python: str | None) -> dict[str, str]:
    """What must be the same: distribution and release, architecture, Python (of this interpreter; "" without one)."""
    release = platform.freedesktop_os_release()
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    words = [python, "-c", version] if python else []
    return {
        "distribution": f"{release['ID']} {release.get('VERSION_ID', '')}".strip(),
        "architecture": platform.machine(),
        "python": subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.strip() if words else "",
    }


def _described(kind: dict[str, str]) -> str:
    python = f" and Python {kind['python']}" if kind["python"] else ""
    return f"machine with {kind['distribution']}, {kind['architecture']}{python}"


def place_of(option: str | None) -> Path | None:
    """DIR as it was given, from the directory in which the command was; a relative one is replaced in the command."""
    if option is None:
        return None
    whole = str(Path(option).absolute())
    sys.argv = [word.replace(option, whole) if word in (option, f"--from={option}") else word for word in sys.argv]
    return Path(whole)
