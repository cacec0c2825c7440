"""`manage.py tokens`: personal access tokens at the command line."""

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError

from api import services
from api.models import Token
from portal.command_line import Options, SubcommandsCommand, change, counted, find_person


class Command(SubcommandsCommand):
    """Personal access tokens: list and revoke; only their person can make one."""

    help = "Personal access tokens: list and revoke them."

    def define(self) -> None:
        parser = self.listing("list", self.list, "Tokens that can be used now.")
        parser.add_argument("--all", action="store_true", help="those that have ended, too")
        parser.add_argument("--person", metavar="NAME")
        parser = self.subcommand("revoke", self.revoke, "Revoke tokens at once.")
        parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="as the list has them")
        parser.add_argument("--person", metavar="NAME", help="all of this person's")

    def list(self, options: Options) -> Iterable[dict[str, Any]]:
        """Rows of the list."""
        rows = Token.objects.all() if options["all"] else Token.objects.usable()
        if options["person"]:
            rows = rows.filter(user=find_person(options["person"]))
        for token in rows.select_related("user"):
            yield {
                "id": token.pk,
                "person": token.user.username,
                "name": token.name,
                "begins_with": token.hint,
                "scopes": token.scope_names,
                "libraries": token.libraries,
                "expires": token.expires_at,
                "last_used": token.last_used_at,
                "revoked": token.revoked_at,
            }

    def revoke(self, options: Options) -> None:
        """Those of these ids, or a person's."""
        if bool(options["ids"]) == bool(options["person"]):
            raise CommandError("Name tokens by their ids, or a person with --person.")
        with change():
            tokens = _tokens(options)
            done = sum(services.revoke_token(None, token) for token in tokens)
        self.say(f"Revoked {counted(done, 'token')}.")


def _tokens(options: Options) -> list[Token]:
    if options["person"]:
        return list(Token.objects.filter(user=find_person(options["person"]), revoked_at=None))
    found = Token.objects.select_related("user").in_bulk(options["ids"])
    if missing := [str(pk) for pk in options["ids"] if pk not in found]:
        raise CommandError(f"There is no token {', '.join(missing)}.")
    return list(found.values())
