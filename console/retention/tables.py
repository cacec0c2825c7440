"""Sizes of the database's tables: rows, bytes with indexes, the oldest row, and how long rows are kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connection, models
from django.db.models import Count, Min

from .kinds import KINDS

OF_CODE = "a fixed number, which comes with the code"
OF_PEOPLE = "as long as the account"
OF_COLLAB = "as long as the Collab; deleted ones LIBRARY_KEEP_DAYS"
OF_LIBRARY = "as long as the library; deleted ones LIBRARY_KEEP_DAYS"
OF_OPERATORS = "until an operator removes it"
OF_FILE = "as long as the file has versions"
OF_TOKENS = "until it expires, or nothing is left of the sign-in; removed nightly"
KEPT = {
    "account.EmailAddress": OF_PEOPLE,
    "account.EmailConfirmation": "not used: addresses are confirmed by signed links",
    "allauth_idp_oidc.Client": OF_OPERATORS,
    "allauth_idp_oidc.Token": OF_TOKENS,
    "auth.Group": OF_OPERATORS,
    "auth.Permission": OF_CODE,
    "collabs.Collab": "until deleted, and LIBRARY_KEEP_DAYS more; then its title and address alone",
    "collabs.Favourite": OF_COLLAB,
    "collabs.GroupRole": OF_COLLAB,
    "collabs.Membership": OF_COLLAB,
    "collabs.Tag": OF_COLLAB,
    "console.MonthlyUsage": "as long as the account or Collab; a row for each and month",
    "contenttypes.ContentType": OF_CODE,
    "drive.Contributor": OF_FILE,
    "drive.File": "as long as the file; deleted ones TRASH_KEEP_DAYS",
    "drive.Library": "until deleted, and LIBRARY_KEEP_DAYS more",
    "drive.Quota": OF_OPERATORS,
    "drive.ReceivedFile": "as long as its upload link",
    "drive.Share": OF_LIBRARY,
    "drive.Trashed": "TRASH_KEEP_DAYS",
    "drive.Version": "thinned by VERSION_KEEP; the newest of each file for ever",
    "groups.Group": "until a manager deletes it",
    "groups.GroupManager": "as long as the group",
    "groups.GroupMember": "as long as the group",
    "groups.Nesting": "as long as the group",
    "groups.Reach": "as long as the group",
    "identity.Consent": OF_PEOPLE,
    "identity.Grant": OF_TOKENS,
    "identity.SpentRefreshToken": OF_TOKENS,
    "lab.ChosenEnvironment": OF_PEOPLE,
    "lab.CollabEnvironment": OF_COLLAB,
    "lab.Environment": OF_OPERATORS,
    "lab.GroupLimits": OF_OPERATORS,
    "lab.Lease": OF_CODE,
    "lab.PackageAnswer": OF_COLLAB,
    "lab.PackageList": OF_PEOPLE,
    "lab.Pass": "until it expires",
    "lab.Pull": "7 days",
    "lab.Ticket": "until it expires",
    "mfa.Authenticator": OF_PEOPLE,
    "notices.Wish": OF_PEOPLE,
    "portal.DirectoryAccount": OF_PEOPLE,
    "portal.DatabaseVersion": "for ever: one for each update of the site",
    "portal.ScheduledTask": OF_CODE,
    "portal.User": "for ever; a deleted account's row is emptied",
    "rooms.Room": "COEDITING_KEEP_DAYS after the last person left",
    "search.IndexedFile": "as long as the file",
    "search.IndexState": OF_CODE,
    "search.Word": "as long as a text has it; removed nightly",
    "sessions.Session": "not used: sessions are in another table",
    "socialaccount.SocialAccount": OF_PEOPLE,
    "socialaccount.SocialApp": "not used: providers are in the settings",
    "socialaccount.SocialToken": OF_PEOPLE,
    "webdav.Checksum": "as long as the file; removed nightly",
    "webdav.Lock": "until it expires; removed nightly",
    "webdav.Property": "as long as the file; removed nightly",
}
"""Rule of each table that `KINDS` does not prune: why it does not grow for ever."""
OLDEST: tuple[str, ...] = (
    "at",
    "created_at",
    "captured_at",
    "action_time",
    "requested_at",
    "asked_at",
    "noticed_at",
    "deleted_at",
)
OLDEST += ("failed_at", "begins_at", "opened_at", "changed_at", "since", "date_joined", "starts_at", "seen_at")
"""Fields that say how old a row is; the first that a table has counts."""
_SQLITE = """SELECT schema.tbl_name, sum(stat.pgsize) FROM dbstat AS stat
    JOIN sqlite_master AS schema ON schema.name = stat.name WHERE stat.aggregate = 1 GROUP BY schema.tbl_name"""
_POSTGRES = """SELECT relname, pg_total_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"""


@dataclass(frozen=True)
class Table:
    """One table of the database."""

    name: str
    model: str
    rows: int | None
    """None for tables without a model: they are added up."""
    size: int | None
    """Bytes with indexes; None where the database cannot tell."""
    oldest: datetime | None
    kept: str


def tables() -> list[Table]:
    """Sizes of all tables, the largest first; those without a model in one line at the end."""
    sizes = table_sizes()
    found = [_table(model, sizes.pop(model._meta.db_table, None)) for model in stored_models()]
    found.sort(key=lambda table: (-(table.size or 0), -(table.rows or 0), table.model))
    left = sum(sizes.values())
    rest = Table("everything else", "", None, left, None, "links between the tables above, text search, migrations")
    return [*found, rest] if sizes else found


def stored_models() -> list[type[models.Model]]:
    """Models that have a table of their own."""
    return [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]


def rule_of(model: type[models.Model]) -> str:
    """How long rows of a model are kept, in words."""
    pruned = next((kind.in_words for kind in KINDS if kind.model is model), "")
    return pruned or KEPT.get(model._meta.label, "")


def table_sizes() -> dict[str, int]:
    """Bytes by table, with indexes; empty where the database cannot tell (a SQLite without dbstat)."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SQLITE if connection.vendor == "sqlite" else _POSTGRES)
            return {name: int(size) for name, size in cursor.fetchall()}
    except DatabaseError:
        return {}


def _table(model: type[models.Model], size: int | None) -> Table:
    dated = {field.name for field in model._meta.concrete_fields if isinstance(field, models.DateTimeField)}
    field = next((name for name in OLDEST if name in dated), "")
    asked: dict[str, Any] = {"rows": Count("pk")} | ({"oldest": Min(field)} if field else {})
    counted = model._base_manager.order_by().aggregate(**asked)
    name = str(model._meta.verbose_name_plural)
    return Table(name, model._meta.label, counted["rows"], size, counted.get("oldest"), rule_of(model))
