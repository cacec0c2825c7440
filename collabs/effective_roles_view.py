"""SQL view of effective roles, behind `models.EffectiveRole`: everybody's roles in Collabs, by membership and by group.

A view and not a table, so that it cannot disagree with what it is made of. Not in a migration, because neither database
alters a table that a view stands on: it is dropped before migrations run, and made again after them.

Ask it for constants (a person, some Collabs) and use the answer in `pk__in=…values(…)`: then both databases look only
at those rows. In a join, or for each row of another query, SQLite puts all of it together first.
"""

from typing import Any

from django.apps import AppConfig
from django.db import connections

TABLES = {"collabs_membership", "collabs_grouprole", "groups_reach", "groups_groupmember"}
VIEW = """
CREATE VIEW collabs_standing (id, collab_id, user_id, role, group_id) AS
SELECT 'm' || member.id, member.collab_id, member.user_id, member.role, NULL
FROM collabs_membership member
UNION ALL
SELECT 'g' || held.id || '-' || inside.id, held.collab_id, inside.user_id, held.role, held.group_id
FROM collabs_grouprole held
JOIN groups_reach reach ON reach.outer_id = held.group_id
JOIN groups_groupmember inside ON inside.group_id = reach.inner_id
"""


def drop(sender: AppConfig, using: str, plan: list[Any], **_: Any) -> None:
    """Before migrations, if there are any."""
    if sender.name == "collabs" and plan:
        with connections[using].cursor() as cursor:
            cursor.execute("DROP VIEW IF EXISTS collabs_standing")


def create(sender: AppConfig, using: str, **_: Any) -> None:
    """After migrations, once the tables are there. Quick where the view is there too: tests flush after each other."""
    if sender.name != "collabs":
        return
    connection = connections[using]
    with connection.cursor() as cursor:
        there = {table.name for table in connection.introspection.get_table_list(cursor)}
        if there >= TABLES and "collabs_standing" not in there:
            cursor.execute(VIEW)
