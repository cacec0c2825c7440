"""The simple view: each person's choice to open notebooks on Jupyter Notebook's page, without JupyterLab around.

The page is the Lab's own, at `/notebooks/<path>` (lab/supervisor/inside/simple_view.py). JupyterLab opens where the
Lab's environment has no Jupyter Notebook 7, where a Hub runs it, and for everything that is no notebook.
"""

from urllib.parse import quote, urlsplit

from django.conf import settings
from django.utils.translation import gettext

from lab.locations import copies, paths
from lab.models import Environment, Server
from portal.models import NotebookView, User

from . import static_files


def is_offered() -> bool:
    """Whether Labs of this site have it: what runs in those of a Hub is the Hub's."""
    return settings.LAB_LAUNCHER != "jupyterhub"


def choose(user: User, view: str) -> bool:
    """Have the person's notebooks open in it from now on; False for what cannot be chosen."""
    if view not in NotebookView or not is_offered():
        return False
    User.objects.filter(pk=user.pk).update(notebook_view=view)
    user.notebook_view = view
    return True


def is_chosen(user: User) -> bool:
    """Whether the person's notebooks open in the simple view, where their Lab has it."""
    return user.notebook_view == NotebookView.SIMPLE and is_offered()


def address_of(user: User, path: str) -> str:
    """Address on the Lab's origin that opens a Drive path as the person has chosen."""
    if is_chosen(user) and path.endswith(copies.NOTEBOOK):
        return f"{paths.SIMPLE_VIEW}/drive/{quote(path)}"
    return paths.address_of(path)


def address_in(server: Server, address: str) -> str:
    """The same place where this Lab can show it: JupyterLab's where its environment has no simple view."""
    if not address.startswith(f"{paths.SIMPLE_VIEW}/") or is_in(server.environment):
        return address
    return paths.HOME + "/tree" + urlsplit(address).path.removeprefix(paths.SIMPLE_VIEW)


def is_in(environment: Environment) -> bool:
    """Whether Labs in this environment have it."""
    return is_offered() and static_files.has_notebook(environment.prefix)


def absence(user: User, server: Server) -> str:
    """Sentence for a person who has chosen it, about a Lab that has none; else empty."""
    if not is_chosen(user) or is_in(server.environment):
        return ""
    return gettext("Notebooks open in JupyterLab: the environment %(name)s has no simple view.") % {
        "name": server.environment.name
    }


def choice_context(user: User, server: Server | None) -> dict[str, object]:
    """Template context of the choice: what is offered, what is chosen, and where it does not hold."""
    if not is_offered():
        return {}
    here = absence(user, server) if server and server.is_running else ""
    return {"notebook_views": NotebookView, "notebook_view": user.notebook_view, "no_simple_view": here}
