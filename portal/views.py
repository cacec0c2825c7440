"""Pages of the portal itself: start page, account."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from . import audit, languages
from .accounts.forms import AccountForm
from .models import User


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Start page: introduction for visitors; else my Collabs, recent files and Lab, by the apps' template tags."""
    return render(request, "portal/home.html" if request.user.is_authenticated else "portal/welcome.html")


@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Account page: change my name and language."""
    form = AccountForm(request.POST or None, instance=User.objects.get(username=request.user.get_username()))
    if form.is_valid():
        with transaction.atomic():
            form.save()
            if form.changed_data:
                audit.record(form.instance, "account.changed", form.instance, fields=form.changed_data)
        language = languages.of_person(form.instance) if form.instance.language else languages.of_browser(request)
        with translation.override(language):
            messages.success(request, gettext("Saved."))
        response = redirect("account")
        if "language" in form.changed_data:
            languages.remember(response, form.instance.language)
        return response
    return render(request, "portal/account.html", {"form": form})
