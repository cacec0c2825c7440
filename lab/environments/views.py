"""Choosing an environment: for a Collab, and what to do when the Lab runs in another one than a link asks for."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods

from collabs.access import get_collab
from collabs.models import Role
from lab.locations import views
from lab.models import Environment, Server
from portal.access import person
from portal.models import User

from . import selection


class CollabForm(forms.Form):
    """Form to choose the environment of a Collab."""

    environment = forms.ModelChoiceField(
        Environment.objects.none(),
        required=False,
        to_field_name="slug",
        widget=forms.RadioSelect,
        label=gettext_lazy("Environment"),
    )

    def __init__(self, *args: Any, user: User, current: Environment | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["environment"] = current and current.slug
        field = self.fields["environment"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = selection.selectable(user, current)
        field.empty_label = gettext("The site’s default, or what each person has chosen")
        field.label_from_instance = label  # type: ignore[method-assign,assignment]


def label(environment: Environment) -> str:
    """Name, description and “retired”, as shown in lists."""
    said = f"{environment.name}: {environment.description}" if environment.description else environment.name
    return gettext("%(environment)s (retired)") % {"environment": said} if environment.is_retired else said


@require_http_methods(["GET", "POST"])
def collab_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Settings page of a Collab's environment."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    current = selection.chosen_for_collab(collab)
    form = CollabForm(request.POST or None, user=person(request), current=current)
    if form.is_valid():
        try:
            selection.choose_for_collab(person(request), collab, form.cleaned_data["environment"])
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, gettext("Saved. Running Labs keep their environment."))
            return redirect("collab_environment", slug)
    context = {"collab": collab, "form": form}
    return render(request, "lab/collab_environment.html", context, status=422 if form.errors else 200)


def confirm_switch(request: HttpRequest, server: Server, wanted: Environment, path: str, address: str) -> HttpResponse:
    """Page for a link that names another environment than the Lab runs in; nothing is stopped without consent."""
    as_asked = {"as": "read-only"} if request.GET.get("as") == "read-only" else {}
    context = {
        "server": server,
        "wanted": wanted,
        "path": path,
        "place": address,
        "as_it_is": views.address(path, **as_asked),
    }
    return render(request, "lab/other_environment.html", context)


def unknown_environment(request: HttpRequest, slug: str, path: str) -> HttpResponse:
    """Page for a link that names an unknown environment; the notebook can be opened in the usual one."""
    context = {"slug": slug, "path": path, "as_it_is": views.address(path)}
    return render(request, "lab/no_environment.html", context, status=404)
