"""Pages of notices: list, mark as read, e-mail preferences."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.access import person

from . import services
from .models import Kind, Notice

PAGE_SIZE = 50


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """List my notices, newest first."""
    rows = Notice.objects.filter(user=person(request))
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "notices/index.html", {"page": page})


@login_required
@require_POST
def follow(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark a notice as read and redirect to its page."""
    notice = get_object_or_404(Notice, pk=pk, user=person(request))
    services.mark_read(person(request), notice)
    inside = url_has_allowed_host_and_scheme(notice.url, allowed_hosts=None)
    return redirect(notice.url if inside else "notices:index")


@login_required
@require_POST
def read(request: HttpRequest) -> HttpResponse:
    """Mark all notices as read."""
    services.mark_read(person(request))
    return redirect("notices:index")


@login_required
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """Choose the kinds of notices that are also sent by e-mail."""
    user = person(request)
    if request.method == "POST":
        services.set_mail_preferences(user, request.POST.getlist("by_mail"))
        messages.success(request, "Saved.")
        return redirect("notices:settings")
    wishes = [(kind, by_mail) for kind, by_mail in services.mail_preferences(user).items()]
    return render(request, "notices/settings.html", {"wishes": wishes, "kinds": Kind})
