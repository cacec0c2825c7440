"""Pages of join requests: somebody asks to join a public Collab, an administrator answers."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from collabs import join_requests
from collabs.access import get_collab
from collabs.forms import AnswerForm, NoteForm
from collabs.models import JoinRequest, Role
from portal.access import SignInRequiredError, person

PAGE_SIZE = 50


@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask to join a public Collab, or withdraw the request."""
    collab = get_collab(request, slug)
    if not request.user.is_authenticated:
        raise SignInRequiredError
    user = person(request)
    if collab.my_role:
        return redirect(collab)
    asked = JoinRequest.objects.filter(collab=collab, user=user, decided_at=None).first()
    if asked and request.POST.get("do") == "withdraw":
        join_requests.withdraw(user, asked)
        messages.success(request, gettext("Your request was withdrawn."))
        return redirect(collab)
    form = NoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            join_requests.ask(user, collab, form.cleaned_data["note"])
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(
                request, gettext("Your request was sent. You will get a message when an administrator answers.")
            )
            return redirect(collab)
    context = {"collab": collab, "asked": asked, "form": form}
    return render(request, "collabs/join.html", context, status=422 if form.errors else 200)


@require_safe
def index(request: HttpRequest, slug: str) -> HttpResponse:
    """List the open requests."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    rows = collab.requests.filter(decided_at=None).select_related("user")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "collabs/requests.html", {"collab": collab, "page": page, "roles": Role.choices})


@require_POST
def decide(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Approve a request with a role, or decline it."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    asked = get_object_or_404(JoinRequest.objects.select_related("user", "collab"), pk=pk, collab=collab)
    form = AnswerForm(request.POST)
    if form.is_valid():
        try:
            if form.cleaned_data["answer"] == "approve":
                join_requests.approve(person(request), asked, Role(form.cleaned_data["role"]))
                messages.success(
                    request, gettext("%(display_name)s is a member now.") % {"display_name": asked.user.display_name}
                )
            else:
                join_requests.decline(person(request), asked, form.cleaned_data["why"])
                messages.success(request, "Declined.")
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
    return redirect("collabs:requests", slug)
