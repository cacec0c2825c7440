"""Pages of packages for next time: my own list, and the list of a Collab with what I say to it."""

from pathlib import Path
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collabs.access import RIGHTS, get_collab
from collabs.models import Collab, Role
from lab.environments import kept_packages
from lab.launchers import get_launcher
from lab.models import Server
from lab.servers import rescue_packages
from portal.access import ForbiddenError, SignInRequiredError, person
from portal.models import User
from portal.ops.task_queue import publish


class PackagesForm(forms.Form):
    """A list of requirements."""

    text = forms.CharField(
        label=gettext_lazy("Packages"),
        required=False,
        max_length=kept_packages.MAX_LENGTH,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "autocapitalize": "off"}),
        help_text=gettext_lazy("One per line, as in a requirements.txt: “elephant” or “scipy>=1.10”."),
    )

    def save(self, actor: User, owner: User | Collab) -> bool:
        """Save the list; False where it is none, which the form then says."""
        if not self.is_valid():
            return False
        try:
            kept_packages.save(actor, owner, self.cleaned_data["text"])
        except ValidationError as error:
            self.add_error("text", error)
            return False
        return True


def _form_of(owner: User | Collab) -> PackagesForm:
    kept = kept_packages.list_of(owner)
    return PackagesForm(initial={"text": kept.text if kept else ""})


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def my_packages(request: HttpRequest) -> HttpResponse:
    """My own list; `installed` fills the form with what my Lab has now, to be saved or not."""
    me = person(request)
    form = PackagesForm(request.POST) if request.method == "POST" else _form_of(me)
    if "installed" in request.POST:
        form = _with_installed(request, me, form)
    elif request.method == "POST" and form.save(me, me):
        messages.success(request, _("Saved. Your next Lab installs these packages when it starts."))
        return redirect("lab:packages")
    server = Server.objects.running().filter(owner=me).first()
    context = {"form": form, "server": server, "collabs": kept_packages.editable_by(me)}
    return render(request, "lab/packages.html", context, status=422 if form.errors else 200)


def _with_installed(request: HttpRequest, me: User, form: PackagesForm) -> PackagesForm:
    server = Server.objects.running().filter(owner=me).select_related("environment").first()
    if server is None or not form.is_valid():
        return form
    lines = rescue_packages.requirements(get_launcher().changes(server.pk), Path(server.environment.prefix))
    text = form.cleaned_data["text"]
    try:
        more = kept_packages.with_installed(text, lines)
    except ValidationError as error:
        form.add_error("text", error)
        return form
    if more == text:
        messages.info(request, _("Nothing is installed in your Lab that is not in the list."))
    else:
        messages.info(request, _("What is installed in your Lab was added below. It is kept when you save the list."))
    return PackagesForm(initial={"text": more})


@never_cache
@require_http_methods(["GET", "POST"])
def collab_packages(request: HttpRequest, slug: str) -> HttpResponse:
    """A Collab's list: its editors change it, and whoever opens its files says whether it is installed for them."""
    collab = get_collab(request, slug)
    if not request.user.is_authenticated:
        raise SignInRequiredError
    me = person(request)
    if "answer" in request.POST:
        return _answer(request, me, collab)
    may_change = bool(collab.my_role and collab.my_role.includes(Role.EDITOR) and not collab.archived_at)
    form = PackagesForm(request.POST) if request.method == "POST" else _form_of(collab)
    if request.method == "POST":
        if not (collab.my_role and collab.my_role.includes(Role.EDITOR)):
            raise ForbiddenError(RIGHTS[Role.EDITOR])
        if form.save(me, collab):
            messages.success(request, _("Saved. Everybody is asked before these packages are installed for them."))
            return redirect("collab_packages", slug)
    context = {"collab": collab, "form": form if may_change else None} | _shown(me, collab)
    return render(request, "lab/collab_packages.html", context, status=422 if form.errors else 200)


def _shown(me: User, collab: Collab) -> dict[str, Any]:
    kept = kept_packages.list_of(collab)
    if kept is None:
        return {"kept": None}
    said = kept_packages.answer_of(me, kept)
    lines = kept_packages.requirements(kept.text)
    return {"kept": kept, "lines": lines, "digest": kept_packages.digest(kept.text), "said": said}


def _answer(request: HttpRequest, me: User, collab: Collab) -> HttpResponse:
    """What they say to the list that they were shown."""
    installs = request.POST["answer"] == "install"
    if not kept_packages.answer(me, collab, request.POST.get("digest", ""), installs=installs):
        messages.warning(request, _("The list has changed meanwhile. Please look at it again."))
        return redirect("collab_packages", collab.slug)
    server = Server.objects.running().filter(owner=me).first() if installs else None
    if server:
        publish("lab.tasks.install_packages", server.pk.hex, collab.pk)
        messages.success(request, _("The packages are being installed in your Lab, which shows how far that is."))
    elif installs:
        messages.success(request, _("The packages are installed when your Lab is opened at this Collab."))
    else:
        messages.success(request, _("The packages are not installed in your Lab."))
    return redirect("collab_packages", collab.slug)
