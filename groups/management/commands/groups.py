"""`manage.py groups`: groups of people at the command line."""

from collections.abc import Iterable
from typing import Any

from groups import services
from groups.command_line import find_group
from groups.models import Group, GroupMember, people_in
from portal import hooks
from portal.command_line import Options, SubcommandsCommand, change, counted, find_people


class Command(SubcommandsCommand):
    """Groups: list, create, delete, add and remove people."""

    help = "Groups of people: list, create and delete them, add and remove people."

    def define(self) -> None:
        self.listing("list", self.list, "Groups, with the number of their active people.")
        parser = self.listing("people", self.people, "Everybody in a group, through groups inside it too.")
        parser.add_argument("group", metavar="GROUP", help="its slug: the last word of its address")
        parser = self.subcommand("create", self.create, "Make a group.")
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--slug", default="", help="the last word of its address; made of the name if not given")
        parser.add_argument("--description", default="")
        parser.add_argument("--manager", action="append", default=[], metavar="NAME", help="may be given several times")
        self.subcommand("delete", self.delete, "Delete a group; roles that it held end.").add_argument("group")
        for name, run, text in (
            ("add", self.add, "Put people into a group."),
            ("remove", self.remove, "Take people out of a group."),
            ("add-manager", self.add_manager, "Make people managers of a group."),
            ("remove-manager", self.remove_manager, "Take people's role as managers of a group."),
        ):
            parser = self.subcommand(name, run, text)
            parser.add_argument("group", metavar="GROUP")
            parser.add_argument("usernames", nargs="+", metavar="NAME")

        hooks.run("groups_command", command=self)

    def list(self, options: Options) -> Iterable[dict[str, Any]]:
        """Rows of the list."""
        for group in Group.objects.with_size().prefetch_related("managers__user"):
            yield {
                "group": group.slug,
                "name": group.name,
                "people": group.size,
                "managers": [manager.user.username for manager in group.managers.all()],
                "provider_name": group.provider_name,
            }

    def people(self, options: Options) -> Iterable[dict[str, Any]]:
        """Rows of one group's people."""
        group = find_group(options["group"])
        direct = set(GroupMember.objects.filter(group=group).values_list("user", flat=True))
        for user in people_in(group).order_by("username"):
            yield {"username": user.username, "active": user.is_active, "direct": user.pk in direct}

    def create(self, options: Options) -> None:
        """A group, with its managers."""
        with change():
            values = {name: options[name] for name in ("name", "description", "slug")}
            group = services.create_group(None, **values)
            for user in find_people(options["manager"]):
                services.add_manager(None, group, user)
        self.say(f"Made the group “{group}” ({group.slug}).")

    def delete(self, options: Options) -> None:
        """A group."""
        with change():
            group = find_group(options["group"])
            services.delete_group(None, group)
        self.say(f"Deleted the group “{group}”.")

    def add(self, options: Options) -> None:
        """Those who are in it already stay so."""
        with change():
            group, people = find_group(options["group"]), find_people(options["usernames"])
            inside = set(GroupMember.objects.filter(group=group).values_list("user", flat=True))
            added = [services.add_person(None, group, user) for user in people if user.pk not in inside]
        self.say(f"Added {counted(len(added), 'person', 'people')} to “{group}”.")

    def remove(self, options: Options) -> None:
        """Those who are not in it stay so."""
        with change():
            group, people = find_group(options["group"]), find_people(options["usernames"])
            inside = set(GroupMember.objects.filter(group=group).values_list("user", flat=True))
            for user in people:
                services.remove_person(None, group, user)
        removed = sum(user.pk in inside for user in people)
        self.say(f"Removed {counted(removed, 'person', 'people')} from “{group}”.")

    def add_manager(self, options: Options) -> None:
        """All of them, or none."""
        with change():
            group = find_group(options["group"])
            for user in find_people(options["usernames"]):
                services.add_manager(None, group, user)
        self._say_managers(group)

    def remove_manager(self, options: Options) -> None:
        """All of them, or none: a group keeps one."""
        with change():
            group = find_group(options["group"])
            for user in find_people(options["usernames"]):
                services.remove_manager(None, group, user)
        self._say_managers(group)

    def _say_managers(self, group: Group) -> None:
        names = group.managers.values_list("user__username", flat=True)
        self.say(f"Managers of “{group}”: {', '.join(names) or 'none'}.")
