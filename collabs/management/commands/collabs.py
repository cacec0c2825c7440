"""`manage.py collabs`: Collabs and their teams at the command line."""

from collections.abc import Callable, Iterable
from typing import Any

from collabs import services
from collabs.command_line import find_collab
from collabs.models import Collab, Membership, Role
from groups.command_line import find_group
from portal.command_line import Options, SubcommandsCommand, change, find_people, find_person
from portal.models import User


class Command(SubcommandsCommand):
    """Collabs: list, create, archive, delete, restore; their teams."""

    help = "Collabs: list and create them, change their teams, archive, delete and restore them."

    def define(self) -> None:
        parser = self.listing("list", self.list, "Collabs.")
        parser.add_argument("--deleted", action="store_true", help="those that are deleted and can be restored")
        parser.add_argument("--without-administrator", action="store_true", help="those that deactivations left so")
        parser = self.listing("team", self.team, "Members of a Collab, and the groups that have a role in it.")
        parser.add_argument("collab", metavar="COLLAB", help="its slug: the last word of its address")
        parser = self.subcommand("create", self.create, "Make a Collab.")
        parser.add_argument("title", metavar="TITLE")
        parser.add_argument("--administrator", required=True, metavar="NAME")
        parser.add_argument("--slug", default="", help="the last word of its address; made of the title if not given")
        parser.add_argument("--description", default="")
        parser.add_argument("--public", action="store_true")
        for name, run, text in (
            ("archive", services.archive_collab, "Archive Collabs: read-only, not in the directory."),
            ("unarchive", services.unarchive_collab, "Restore Collabs from the archive."),
            ("delete", services.delete_collab, "Delete Collabs; they can be restored for a while."),
            ("restore", services.restore_collab, "Restore deleted Collabs."),
        ):
            parser = self.subcommand(name, self._each(name, run), text)
            parser.add_argument("collabs", nargs="+", metavar="COLLAB")
        parser = self.subcommand("add", self.add, "Add people to a team, or give them another role.")
        parser.add_argument("--role", choices=[role.value for role in Role], default=Role.VIEWER.value)
        self._of_team(parser)
        self._of_team(self.subcommand("remove", self.remove, "Remove people from a team."))
        parser = self.subcommand("add-group", self.add_group, "Give a group a role, or another one.")
        parser.add_argument("--role", choices=[role.value for role in Role], default=Role.VIEWER.value)
        parser.add_argument("collab", metavar="COLLAB")
        parser.add_argument("group", metavar="GROUP")
        parser = self.subcommand("remove-group", self.remove_group, "Take the role from a group.")
        parser.add_argument("collab", metavar="COLLAB")
        parser.add_argument("group", metavar="GROUP")

    def _of_team(self, parser: Any) -> None:
        parser.add_argument("collab", metavar="COLLAB")
        parser.add_argument("usernames", nargs="+", metavar="NAME")

    def list(self, options: Options) -> Iterable[dict[str, Any]]:
        """Rows of the list."""
        rows = Collab.all_objects.filter(removed_at=None, deleted_at__isnull=not options["deleted"])
        if options["without_administrator"]:
            rows = rows.unadministered()
        for collab in rows.with_team_size().order_by("slug"):
            yield {
                "collab": collab.slug,
                "title": collab.title,
                "public": collab.is_public,
                "people": collab.team_size,
                "created": collab.created_at,
                "archived": collab.archived_at,
                "deleted": collab.deleted_at,
            }

    def team(self, options: Options) -> Iterable[dict[str, Any]]:
        """Rows of one team."""
        collab = find_collab(options["collab"])
        for member in collab.memberships.select_related("user"):
            yield {"who": member.user.username, "kind": "person", "role": member.role, "active": member.user.is_active}
        for held in collab.group_roles.select_related("group"):
            yield {"who": held.group.slug, "kind": "group", "role": held.role, "active": True}

    def create(self, options: Options) -> None:
        """A Collab, with its library."""
        with change():
            values = {name: options[name] for name in ("title", "description", "slug")}
            administrator = find_person(options["administrator"])
            collab = services.create_collab(None, is_public=options["public"], administrator=administrator, **values)
        self.say(f"Made the Collab “{collab}” ({collab.slug}).")

    def _each(self, name: str, run: Callable[[User | None, Collab], bool]) -> Callable[[Options], None]:
        """Subcommand that changes several Collabs: all of them, or none."""
        done_words = {"delete": "deleted", "restore": "restored", "archive": "archived", "unarchive": "not archived"}

        def change_each(options: Options) -> None:
            with change():
                done = {slug: run(None, find_collab(slug)) for slug in options["collabs"]}
            for slug, is_changed in done.items():
                self.say(f"{slug}: {done_words[name] if is_changed else 'nothing to do'}.")

        return change_each

    def add(self, options: Options) -> None:
        """All of them, or none."""
        role = Role(options["role"])
        with change():
            collab, people = find_collab(options["collab"]), find_people(options["usernames"])
            members = set(Membership.objects.filter(collab=collab).values_list("user", flat=True))
            for user in people:
                (services.change_role if user.pk in members else services.add_member)(None, collab, user, role)
        self.say(*(f"{user.username} is {role} of “{collab}”." for user in people))

    def remove(self, options: Options) -> None:
        """All of them, or none: a Collab keeps an administrator."""
        with change():
            collab, people = find_collab(options["collab"]), find_people(options["usernames"])
            for user in people:
                services.remove_member(None, collab, user)
        self.say(*(f"{user.username} is no member of “{collab}”." for user in people))

    def add_group(self, options: Options) -> None:
        """A role for everybody in the group."""
        with change():
            collab, group = find_collab(options["collab"]), find_group(options["group"])
            services.give_group_role(None, collab, group, Role(options["role"]))
        self.say(f"The group “{group}” is {options['role']} of “{collab}”.")

    def remove_group(self, options: Options) -> None:
        """Its people keep what they have by other routes."""
        with change():
            collab, group = find_collab(options["collab"]), find_group(options["group"])
            services.remove_group(None, collab, group)
        self.say(f"The group “{group}” has no role in “{collab}”.")
