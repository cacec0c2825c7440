"""Makes `backup_ef712af.tar.xz`: a backup directory as an older version of the code leaves it.

    git worktree add --detach /tmp/older ef712af
    var/venv/bin/python backups/tests/make_earlier_backup.py /tmp/older backups/tests/backup_ef712af.tar.xz

Keys and times differ from run to run, and nothing depends on them.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib import import_module
from pathlib import Path


def main(checkout: str, target: str) -> None:
    """Let the older code make a site in a temporary directory, and a backup of it."""
    with tempfile.TemporaryDirectory(prefix="site-") as var:
        Path(var, "drive/staging").mkdir(parents=True)
        Path(var, "lab").mkdir()
        places = {"COLLABORATORY_VAR": var, "COLLABORATORY_RUN": f"{var}/run", "DRIVE_ROOT": f"{var}/drive"}
        places |= {"LAB_ROOT": f"{var}/lab", "REDIS_URL": "redis://localhost:1"}
        database = {"DATABASE_URL": f"sqlite:///{var}/portal.sqlite3", "DJANGO_SETTINGS_MODULE": "portal.settings"}
        environment = os.environ | places | database | {"SECRET_KEY": "x" * 50, "PYTHONPATH": checkout}
        command = [sys.executable, str(Path(__file__).absolute()), "--inside", f"{var}/backups"]
        subprocess.run(command, cwd=checkout, env=environment, check=True)
        with tarfile.open(target, "w:xz", preset=9) as archive:
            archive.add(f"{var}/backups", "backups", filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def make_backup(directory: str) -> None:
    """A person's library with a version, something in the trash and odd files; by the code of the checkout."""
    import django

    django.setup()

    from django.core.management import call_command

    from drive.storage import layout
    from drive.versions import scan, trash
    from portal.models import User

    changes, services = import_module("drive.changes"), import_module("drive.services")  # not where they are today
    call_command("migrate", verbosity=0)
    owner = User.objects.create_user("owner", email="owner@example.org", password="unused")
    library = services.create_library(owner, "Raw data")
    changes.write(owner, library, "notes.md", b"first")
    changes.write(owner, library, "notes.md", b"second")
    changes.write(owner, library, "gone.md", b"thrown away")
    trash.delete(owner, library, "gone.md")
    place = layout.find(library.pk)
    (place / os.fsdecode(b"caf\xe9\n.txt")).write_bytes(b"odd")
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o751)
    (place / os.fsdecode(b"to \xff")).symlink_to(os.fsdecode(b"\xfe\n"))
    with (place / "sparse").open("wb") as sparse:
        sparse.write(b"begin")
        sparse.truncate(10 * 2**20)
    scan.scan(library)
    call_command("backup", directory)


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        make_backup(sys.argv[2])
    else:
        main(sys.argv[1], sys.argv[2])
