"""Packages for next time: what pip installs in each new Lab before its first kernel starts, per person and per Collab.

The lists are rows and not files of a library, which everybody may change whom it is shared with. A person's own list
is changed by that person, on the portal's pages only: code in a Lab cannot leave itself to the next one. A Collab's
list is its editors', and installing a package runs its author's code with all the rights of the Lab's person. So it is
installed for nobody who did not say yes to exactly these lines.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from collabs.models import Collab, Role
from collabs.services import ArchivedError
from lab.locations import paths
from lab.locations.paths import Location
from lab.models import PackageAnswer, PackageList
from portal import audit
from portal.models import User

MAX_LINES = 100
MAX_LENGTH = 10_000


@dataclass(frozen=True)
class KeptPackages:
    """Requirements that a Lab installs together."""

    whose: str
    """Title of the Collab; empty: the person's own."""
    lines: list[str]

    def as_json(self) -> dict[str, Any]:
        """As the Lab reads it (lab/supervisor/inside/kept_packages.py)."""
        return {"whose": self.whose, "lines": self.lines}


def requirements(text: str) -> list[str]:
    """The lines of a requirements file without comments (PEP 508). ValidationError for what is no requirement.

    Options of pip, such as another index, are none: they would hold for all lines, and be overlooked.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not (plain := f" {line}".partition(" #")[0].strip()):
            continue
        try:
            found.append(str(Requirement(plain)))
        except (InvalidRequirement, ValueError):
            said = _("Line %(number)d, “%(line)s”, is not a requirement such as “numpy” or “scipy>=1.10”.")
            raise ValidationError(said % {"number": number, "line": plain[:100]}) from None
    if len(found) > MAX_LINES or len(text) > MAX_LENGTH:
        raise ValidationError(_("A list has at most %(lines)d packages.") % {"lines": MAX_LINES})
    return found


def digest(text: str) -> str:
    """Changes when something else is installed, and not with comments."""
    return hashlib.sha256("\n".join(requirements(text)).encode()).hexdigest()


# Lists


def list_of(owner: User | Collab) -> PackageList | None:
    """The list of a person or a Collab."""
    return _rows(owner).select_related("changed_by").first()


def _rows(owner: User | Collab) -> Any:
    field = "user" if isinstance(owner, User) else "collab"
    return PackageList.objects.filter(**{field: owner})


@transaction.atomic
def save(actor: User, owner: User | Collab, text: str) -> None:
    """Replace the list of the actor, or of a Collab; ValidationError for lines that are no requirements."""
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    packages = requirements(text)
    if isinstance(owner, Collab) and Collab.objects.select_for_update().get(pk=owner.pk).archived_at:
        raise ArchivedError
    before = list_of(owner)
    if (before.text if before else "") == text:
        return
    if packages:
        changed = {"text": text, "changed_by": actor, "changed_at": timezone.now()}
        _rows(owner).model.objects.update_or_create(
            **{"user" if isinstance(owner, User) else "collab": owner}, defaults=changed
        )
    else:
        _rows(owner).delete()
    audit.record(actor, "lab.packages.changed", owner, packages=packages)


def with_installed(text: str, lines: list[str]) -> str:
    """A list with what is installed in a Lab; what it names already gets that version.

    To be looked at before it is saved: code in the Lab decides what seems to be installed there.
    """
    new = {_name(line): line for line in lines if not line.startswith("#")}
    kept = [line for line in text.splitlines() if not (asked := requirements(line)) or _name(asked[0]) not in new]
    return "\n".join([*kept, *sorted(new.values(), key=str.lower)])


def _name(line: str) -> str:
    return canonicalize_name(Requirement(line).name)


# A Collab's list, and each person's answer


@transaction.atomic
def answer(user: User, collab: Collab, said_of: str, *, installs: bool) -> bool:
    """Note whether these packages are installed; False if the list is another one by now than was shown, `said_of`."""
    now = list_of(collab)
    if now is None or digest(now.text) != said_of:
        return False
    PackageAnswer.objects.update_or_create(user=user, collab=collab, defaults={"digest": said_of, "installs": installs})
    audit.record(user, "lab.packages.answered", collab, installs=installs, packages=requirements(now.text))
    return True


def answer_of(user: User, kept: PackageList) -> PackageAnswer | None:
    """What they said to the list as it is now; None: they have to be asked."""
    return PackageAnswer.objects.filter(user=user, collab=kept.collab_id, digest=digest(kept.text)).first()


def question(user: User, location: Location) -> tuple[str, str] | None:
    """A sentence and the path of the page that asks, if they have not answered to the packages of the Collab there."""
    if not location.library or not location.library.owner_collab_id:
        return None
    kept = PackageList.objects.filter(collab=location.library.owner_collab_id).select_related("collab").first()
    if kept is None or kept.collab is None or answer_of(user, kept):
        return None
    said = _("“%(collab)s” has a list of packages for its notebooks. They are not installed unless you say so.")
    return said % {"collab": kept.collab.title}, reverse("collab_packages", args=[kept.collab.slug])


def editable_by(user: User) -> list[Collab]:
    """Collabs whose list the person may change, for links to them."""
    return [
        collab
        for collab in Collab.objects.visible_to(user).with_role_of(user).filter(archived_at=None).order_by("title")
        if collab.my_role and Role(collab.my_role).includes(Role.EDITOR)
    ]


# Launch


def for_place(user: User, place: str) -> list[KeptPackages]:
    """What a Lab that is opened at a path of the Drive installs: the person's own, then what they agreed to there.

    One query for who has no list and agreed to none.
    """
    agreed = PackageAnswer.objects.filter(user=user, installs=True).values("collab")
    rows = PackageList.objects.filter(user=user) | PackageList.objects.filter(collab__in=agreed)
    found = list(rows.select_related("collab"))
    own = [KeptPackages("", requirements(row.text)) for row in found if row.user_id == user.pk]
    if not place or len(own) == len(found):
        return own
    library = paths.locate(user, place).library
    theirs = [row for row in found if library and row.collab_id and row.collab_id == library.owner_collab_id]
    return own + [kept for row in theirs if (kept := _agreed(user, row))]


def for_collab(user: User, collab: Collab) -> KeptPackages | None:
    """A Collab's packages, if the person agreed to them as they are now."""
    kept = PackageList.objects.filter(collab=collab).select_related("collab").first()
    return _agreed(user, kept) if kept else None


def _agreed(user: User, kept: PackageList) -> KeptPackages | None:
    said = answer_of(user, kept)
    if not said or not said.installs or not kept.collab:
        return None
    return KeptPackages(kept.collab.title, requirements(kept.text))


def export(user: User) -> dict[str, Any]:
    """Export of personal data (PORTAL_HOOKS): the person's list, and what they answered to those of Collabs."""
    kept = list_of(user)
    answers = PackageAnswer.objects.filter(user=user).values("collab__slug", "installs")
    return {"lab-packages.json": {"packages": kept.text if kept else "", "answers": list(answers)}}


def settings_page(collab: Collab) -> dict[str, str]:
    """The packages' entry on the page of a Collab's settings (PORTAL_HOOKS)."""
    return {
        "title": _("Packages in the Lab"),
        "text": _("Packages that are installed in the Labs of its people, if they agree, when they open its files."),
        "label": _("See the packages"),
        "url": reverse("collab_packages", args=[collab.slug]),
    }
