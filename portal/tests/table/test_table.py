"""Status of every address for every kind of person. A route without a row fails, and a row without a route."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from django.contrib import admin
from django.db import connection
from django.urls import Resolver404

from . import admin as admin_rows
from .headers import faults
from .people import KINDS, World, says
from .requests import ask, complain
from .table import Row, all_rows, routes

pytestmark = pytest.mark.django_db
THEIRS = ("allauth.", "django.", "identity.views.authorize", "api.urls_wiki_redirects", "portal.admin_site.")
"""Views that hand on every method to a form or a redirect."""
REFUSALS = ("in", "401", "403", "404", "405")


def check(table: Iterable[Row], world: World, kinds: Sequence[str] = KINDS) -> None:
    """On PostgreSQL one asks of those who get the same: it may refuse a query, and has no say in who may do what."""
    wrong: list[str] = []
    for row in table:
        one_of_each = {row.expected(kind): kind for kind in kinds}  # the last: of a team it is who is in by a group
        asking = kinds if connection.vendor == "sqlite" else one_of_each.values()
        answers = {kind: ask(row, world, world.browser(kind)) for kind in asking}
        wrong += {f"{row}: {fault}" for kind, answer in answers.items() for fault in faults(row, kind, answer)}
        got = {kind: says(answer) for kind, answer in answers.items()}
        for kind, status in got.items():
            if status != row.expected(kind):
                wrong.append(f"{row}: {kind} got {status}, not {row.expected(kind)}   {' '.join(got.values())}")
    complain(wrong)


@pytest.mark.slow
def test_it_gives_everybody_what_the_table_says(world: World) -> None:
    check(all_rows(), world)
    check(admin_rows.rows(), world, ("anonymous", "administrator", "operator"))  # one door for all: admin.txt


def test_it_has_a_row_for_every_route() -> None:
    covered = {row.route for row in [*all_rows(), *admin_rows.rows()]}
    complain([f"no row for {route}" for route in sorted(routes() - covered)])


def test_it_has_no_row_that_names_no_route() -> None:
    models = {model._meta.label_lower for model in admin.site._registry}
    wrong = [f"{label} is no model of the operators' site" for label in admin_rows.MODELS if label not in models]
    for row in all_rows():
        try:
            known = row.route in routes()
        except Resolver404:
            known = False
        if not known:
            wrong.append(f"{row} is no address of the site")
    complain(wrong)


@pytest.mark.any_database  # a method is refused before a view asks anything
@pytest.mark.slow
def test_it_refuses_every_method_that_the_table_does_not_name(world: World) -> None:
    """405; or what the person gets who may not know even that. Forms of allauth take PUT for POST, token and all."""
    named: dict[str, set[str]] = {}
    example: dict[str, Row] = {}
    for row in all_rows():
        named.setdefault(row.route, set()).add(row.method)
        example.setdefault(row.route, row)
    wrong = []
    for route, row in example.items():
        for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE"} - named[route]):
            if method not in ("GET", "POST") and row.view.startswith(THEIRS):
                continue
            other = replace(row, method=method, body="")
            for kind in ("anonymous", "administrator"):
                status = says(ask(other, world, world.browser(kind)))
                if status not in REFUSALS:
                    wrong.append(f"{other}: {kind} got {status}")
    complain(wrong)
