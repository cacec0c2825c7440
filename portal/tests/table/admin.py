"""The operators' pages of each model: rows that are made of what an operator may do with its rows."""

from collections.abc import Iterator

from django.contrib import admin

from .table import Row

MODELS = {
    "auth.group": "add change delete",
    "portal.user": "add change",
    "portal.auditentry": "",
    "notices.notice": "",
    "groups.group": "add change",
    "collabs.collab": "add change",
    "drive.library": "change",
    "drive.owner": "change",
    "drive.quota": "add change",
    "drive.publiclink": "change",
    "drive.uploadlink": "change",
    "rooms.room": "",
    "lab.server": "change",
    "lab.environment": "add change",
    "lab.grouplimits": "add change",
    "lab.pause": "add change",
    "lab.build": "",
    "allauth_idp_oidc.client": "add change",
    "api.token": "",
    "console.announcement": "add change",
    "console.failedtask": "",
}
"""Actions on a model's pages beside viewing: `add`, `change`, `delete`. The rest is done by actions."""

ALL_OPTIONAL = ("portal.user", "drive.quota", "drive.publiclink", "drive.uploadlink", "lab.server", "lab.grouplimits")
"""An empty form is a valid one there."""


def rows() -> Iterator[Row]:
    """Rows of every model in the administration."""
    for number, model in enumerate(admin.site._registry, 1):
        meta = model._meta
        may = MODELS[meta.label_lower].split()
        base = f"/admin/{meta.app_label}/{meta.model_name}/"
        one = f"{base}{{{meta.label_lower.replace('.', '_')}}}/"
        looks = {base: "200", f"{one}history/": "200", f"{one}change/": "200", one: "302"}
        changes = {f"{base}add/": "add", f"{one}delete/": "delete"}
        for address, status in looks.items():
            yield _row(number, "GET", address, status)
        for address, right in changes.items():
            for method in ("GET", "POST"):
                yield _row(number, method, address, "200" if right in may else "403")
        saved = "302" if meta.label_lower in ALL_OPTIONAL else "200"
        yield _row(number, "POST", f"{one}change/", saved if "change" in may else "403")


def _row(number: int, method: str, address: str, operator: str) -> Row:
    return Row("admin.py", number, method, address, ("in", *["403"] * 5, "in", operator), "", "")
