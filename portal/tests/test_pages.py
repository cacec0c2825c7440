"""Rules for every page: content security policy, header, errors, constant number of queries."""

import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from collabs import services as collab_services
from collabs.models import Collab
from portal.models import User

from .support import COLLAB, SIGNED_IN, VISITOR, Page

SIGNED_IN += ["/account/password/change/", "/account/logout/", "/no/such/page"]


def check(client: Client, address: str) -> None:
    response = client.get(address)
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy, address
    assert "unsafe" not in policy
    assert "nonce-" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert Page(response.content.decode()).refused == [], address


@pytest.mark.parametrize("address", VISITOR)
def test_it_is_strict_with_visitors_pages(client: Client, db: None, address: str) -> None:
    check(client, address)


@pytest.mark.parametrize("address", SIGNED_IN)
def test_it_is_strict_with_ones_own_pages(owner: User, sign_in: Callable[[User], Client], address: str) -> None:
    check(sign_in(owner), address)


@pytest.mark.parametrize("tab", COLLAB)
def test_it_is_strict_with_a_collabs_pages(
    collab: Collab, owner: User, sign_in: Callable[[User], Client], tab: str
) -> None:
    check(sign_in(owner), f"/collabs/{collab.slug}/{tab}")


@pytest.mark.slow
def test_it_is_strict_with_the_operators_pages(
    collab: Collab, operator: User, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(operator)
    check(client, "/admin/")
    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        check(client, reverse(f"{name}_changelist"))
        row = model._default_manager.first()
        if row is not None:
            check(client, reverse(f"{name}_change", args=[row.pk]))
        if model_admin.has_add_permission(SimpleNamespace(user=operator)):  # type: ignore[arg-type]
            check(client, reverse(f"{name}_add"))


def test_it_lets_the_way_to_ones_lab_start_with_a_form(client: Client, db: None) -> None:
    policy = client.get("/account/login/")["Content-Security-Policy"]
    assert "form-action 'self' http://*.lab.localhost:8000" in policy


def test_it_tells_a_visitor_what_this_is(client: Client, public_collab: Collab, collab: Collab) -> None:
    response = client.get("/")
    assertContains(response, "Open Cortex")
    assertContains(response, "overview.svg")
    assertNotContains(response, collab.get_absolute_url())


def test_it_shows_what_is_mine(collab: Collab, stranger: User, viewer: User, sign_in: Callable[[User], Client]) -> None:
    assertContains(sign_in(viewer).get("/"), collab.get_absolute_url())
    assertNotContains(sign_in(stranger).get("/"), collab.get_absolute_url())


def test_it_needs_the_same_queries_for_one_collab_and_for_many(owner: User, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(owner)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get("/")
        return len(captured)

    collab_services.create_collab(owner, title="Number 0")
    queries()  # content types are cached from here on
    few = queries()
    for number in range(1, 12):
        collab_services.create_collab(owner, title=f"Number {number}")
    assert queries() == few <= 14


def test_it_sends_visitors_to_sign_in_and_back(client: Client, collab: Collab, public_collab: Collab) -> None:
    assertRedirects(client.get("/drive/"), "/account/login/?next=/drive/")
    team = f"/collabs/{public_collab.slug}/team/"
    assertRedirects(client.get(team), f"/account/login/?next={team}")


def test_it_hides_a_private_collab_from_strangers(
    collab: Collab, stranger: User, sign_in: Callable[[User], Client]
) -> None:
    for tab in COLLAB:
        real = sign_in(stranger).get(f"/collabs/{collab.slug}/{tab}")
        none = sign_in(stranger).get(f"/collabs/no-such-collab/{tab}")
        assert real.status_code == none.status_code == 404
        assertNotContains(real, collab.title, status_code=404)


def test_it_names_the_right_that_a_member_lacks(
    collab: Collab, viewer: User, sign_in: Callable[[User], Client]
) -> None:
    response = sign_in(viewer).get(f"/collabs/{collab.slug}/settings/")
    assertContains(response, "administrator", status_code=403)
    assert re.search("role of an? administrator", response.content.decode())
