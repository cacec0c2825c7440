"""Git links, in the manner of nbgitpuller: a page that asks, then one that shows how far it is and what happened."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from lab.locations.views import address
from lab.models.git_pulls import Pull, PullState
from lab.servers import services as server_services
from portal.access import ForbiddenError, person
from portal.web import rate_limits

from . import services
from .forms import PullForm, clean_repo, folder_of

PER_HOUR = 60


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def git_pull(request: HttpRequest) -> HttpResponse:
    """A link alone changes nothing: it fills in the form, and the person sends that."""
    if request.method != "POST":
        return _of_link(request)
    form = PullForm(request.POST, user=person(request))
    if not form.is_valid():
        return _ask(request, form, status=400)
    if not rate_limits.allowed("git-pull", str(person(request).pk), PER_HOUR, 3600):
        return _ask(request, form, gettext("Too many repositories fetched. Try again in an hour."), 429)
    try:
        pull = services.request(person(request), **form.cleaned_data)
    except (server_services.CannotLaunchError, ForbiddenError) as error:
        return _ask(request, form, str(error), 503)
    return redirect("lab:pull", pull.pk)


def _of_link(request: HttpRequest) -> HttpResponse:
    given = {name: request.GET.get(name, "") for name in ("repo", "branch", "folder", "path")}
    given["folder"] = given["folder"] or folder_of(given["repo"])
    form = PullForm(initial=given, user=person(request))
    try:
        clean_repo(given["repo"] or "https://none.given")
    except ValidationError as error:
        return _ask(request, form, str(error.message), 400)
    return _ask(request, form)


def _ask(request: HttpRequest, form: PullForm, error: str = "", status: int = 200) -> HttpResponse:
    context = {"form": form, "error": error, "there": _there(form) if status >= HTTPStatus.BAD_REQUEST else ""}
    return render(request, "lab/git_pull.html", context, status=status)


def _there(form: PullForm) -> str:
    """Address of what an earlier link fetched into the folder that this one names; "" for none."""
    place = form.place()
    found = place and services.place_there(*place)
    return address(found) if found else ""


@require_GET
@never_cache
@login_required
def progress(request: HttpRequest, pull_id: UUID) -> HttpResponse:
    """Progress page of a pull, then its report; on to the Lab at once if there is nothing to report."""
    pull = _own(request, pull_id)
    if pull.state == PullState.DONE and not pull.has_news:
        return HttpResponseRedirect(address(pull.place))
    return render(request, "lab/git_pull_progress.html", _context(pull))


@require_GET
@never_cache
def state(request: HttpRequest, pull_id: UUID) -> HttpResponse:
    """The part of the progress page that is polled."""
    if not request.user.is_authenticated:
        return HttpResponse(headers={"HX-Refresh": "true"})
    pull = _own(request, pull_id)
    if pull.state == PullState.DONE and not pull.has_news:
        return HttpResponse(headers={"HX-Redirect": address(pull.place)})
    return render(request, "lab/_git_pull_progress.html", _context(pull))


def _own(request: HttpRequest, pull_id: UUID) -> Pull:
    pull = get_object_or_404(Pull.objects.select_related("library"), pk=pull_id, user=person(request))
    if pull.is_under_way:
        services.resume(pull)
    return pull


def _context(pull: Pull) -> dict[str, Any]:
    context = {"pull": pull, "address": address(pull.place), "kept": pull.report.get("kept", []), "state": pull.state}
    context["error"] = gettext(pull.error) if pull.error else ""
    if pull.state == PullState.FAILED:
        there = "" if pull.library.deleted_at else services.place_there(pull.library, pull.folder, pull.path)
        context["there"] = address(there) if there else ""
    return context
