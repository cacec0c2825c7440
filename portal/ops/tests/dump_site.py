"""Makes `site_ef712af.sql`: a site's SQLite database as an older version of the code leaves it, as SQL.

    git worktree add --detach /tmp/older ef712af
    var/venv/bin/python portal/ops/tests/dump_site.py /tmp/older > portal/ops/tests/site_ef712af.sql

The rows come from the older version's services: people, a group, Collabs, libraries, files, shares, a server. Keys and
times differ from run to run, and nothing depends on them.
"""

import io
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


def main(checkout: str) -> None:
    """Let the older code make a site in a temporary directory; print its database."""
    with tempfile.TemporaryDirectory(prefix="site-") as var:
        Path(var, "drive/staging").mkdir(parents=True)
        places = {"COLLABORATORY_VAR": var, "COLLABORATORY_RUN": f"{var}/run", "DRIVE_ROOT": f"{var}/drive"}
        database = {"DATABASE_URL": f"sqlite:///{var}/portal.sqlite3", "DJANGO_SETTINGS_MODULE": "portal.settings"}
        environment = os.environ | places | database | {"SECRET_KEY": "x" * 50, "PYTHONPATH": checkout}
        command = [sys.executable, str(Path(__file__).absolute()), "--inside"]
        subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=sys.stderr)
        with sqlite3.connect(f"{var}/portal.sqlite3") as connection:
            print("-- Made by dump_site.py.\n")
            print("\n".join(statements(connection)))


def statements(connection: sqlite3.Connection) -> Iterator[str]:
    """SQL that makes the database again. Full-text tables are filled as tables; what FTS5 keeps below them is not."""
    objects = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql <> '' ORDER BY rowid").fetchall()
    virtual = [name for _, name, sql in objects if sql.startswith("CREATE VIRTUAL")]
    inside = tuple(f"{name}_" for name in virtual)
    for kind, name, sql in objects:
        if kind == "table" and not name.startswith(("sqlite_", *inside)):
            yield f"{sql};"
            yield from _rows(connection, name, "rowid, *" if name in virtual else "*")
    yield from _rows(connection, "sqlite_sequence", "*")
    yield from (f"{sql};" for kind, name, sql in objects if kind != "table" and not name.startswith(inside))


def _rows(connection: sqlite3.Connection, table: str, columns: str) -> Iterator[str]:
    found = connection.execute(f'SELECT {columns} FROM "{table}"')
    names = ", ".join(f'"{column[0]}"' for column in found.description)
    for row in found:
        values = ", ".join(connection.execute("SELECT quote(?)", [value]).fetchone()[0] for value in row)
        yield f'INSERT INTO "{table}" ({names}) VALUES ({values});'


def make_site() -> None:
    """Rows of every kind that matters, by the code of the checkout. Its names, not those of today."""
    import django

    django.setup()

    from django.core.management import call_command

    call_command("migrate", verbosity=0, stdout=io.StringIO())

    from datetime import timedelta

    from django.utils import timezone

    from api.models import Scope
    from api.services import create_token
    from collabs import favourites, invitations
    from collabs import services as collabs
    from collabs.models import Role
    from console.models import Announcement
    from drive import changes  # type: ignore[attr-defined]
    from drive import services as drive  # type: ignore[attr-defined]
    from drive.models import Permission
    from groups import services as groups
    from lab.models import Environment, Server, State
    from portal.models import User

    olga = User.objects.create_user("olga", email="olga@example.org", first_name="Olga")
    vera = User.objects.create_user("vera", email="vera@example.org", first_name="Vera")
    cortex = collabs.create_collab(olga, title="Cortex – größer", description="Slices of mice.", tags=["fmri", "c++"])
    atlas = collabs.create_collab(olga, title="Atlas", description="", is_public=True)
    collabs.add_member(olga, cortex, vera, Role.VIEWER)
    institute = groups.create_group(olga, name="Institute")
    course = groups.create_group(olga, name="Course")
    groups.nest(olga, institute, course)
    groups.add_person(olga, course, vera)
    collabs.give_group_role(olga, cortex, institute, Role.EDITOR)
    favourites.mark(vera, atlas)
    invitations.invite_by_link(olga, cortex, Role.VIEWER, uses=3)
    collabs.archive_collab(olga, atlas)
    changes.write(olga, cortex.library, "README.md", b"# Cortex")
    changes.write(olga, cortex.library, "README.md", b"# Cortex 2")
    mine = drive.create_library(vera, "Data")
    drive.share_with_person(vera, mine, olga, Permission.WRITE)
    base = Environment.objects.create(slug="base", name="Base", prefix="/srv/base", is_default=True)
    Server.objects.create(owner=vera, environment=base, state=State.STOPPED, rescued={"files": 2})
    create_token(vera, name="backup", scopes=[Scope.READ], days=30)
    Announcement.objects.create(text="Maintenance.", ends_at=timezone.now() + timedelta(days=1))


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        make_site()
    else:
        main(str(Path(sys.argv[1]).absolute()))
