"""Every action on every list of the administration says what it did."""

import pytest
from django.contrib import admin
from django.db import transaction
from django.urls import reverse

from .people import World
from .requests import complain

pytestmark = pytest.mark.django_db
ASKS = ("drive.library.transfer", "drive.owner.transfer")
"""A page of its own comes first."""


@pytest.mark.slow
def test_every_action_says_what_it_did(world: World) -> None:
    client, silent, walked = world.browser("operator"), [], 0
    for model, pages in admin.site._registry.items():
        meta = model._meta
        address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        chosen = world.names[meta.label_lower.replace(".", "_")]
        for action in pages.actions or ():
            name = f"{meta.label_lower}.{action}"
            with transaction.atomic():
                page = client.post(address, {"action": action, "_selected_action": [chosen]}, follow=True)
                transaction.set_rollback(True)
            said = 'class="messagelist"' in page.text or (name in ASKS and "New owner" in page.text)
            silent += [] if page.status_code == 200 and said else [name]
            walked += 1
    complain(silent)
    assert walked > 20
