"""A home that code in the Lab made unreadable is rescued all the same, and goes."""

import pytest
from django.conf import settings

from drive.models import Library

from ..support.people import Person
from ..support.site import Site

pytestmark = pytest.mark.sandbox

SPOIL = """
import os
home = os.path.expanduser("~")
os.makedirs(f"{home}/deep/er")
open(f"{home}/top.md", "w").write("# top")
open(f"{home}/deep/er/kept.ipynb", "w").write("{}")
open(f"{home}/deep/er/secret.py", "w").write("x = 1")
os.chmod(f"{home}/deep/er/secret.py", 0)
for folder in ("deep/er", "deep", "."):
    os.chmod(f"{home}/{folder}", 0)
print("spoilt")
"""


def test_what_lies_in_an_unreadable_home_is_rescued(site: Site, owner: Person, way: str) -> None:
    server = owner.launch()
    assert site.is_forked(server) == (way == "fork")
    assert owner.kernel().run(SPOIL).text == "spoilt\n"
    owner.leave()
    library = Library.objects.get(owner_user=owner.user, is_default=True)
    found = (settings.DRIVE_ROOT / "private" / str(library.pk)).rglob("Rescued from the Lab/*/**/*.*")
    assert sorted(path.name for path in found if path.is_file()) == ["kept.ipynb", "secret.py", "top.md"]
    assert server.pk.hex not in site.leftovers()
