"""Subcommands of `bin/manage groups` about the Labs of a group's people (PORTAL_HOOKS)."""

import re
from argparse import ArgumentTypeError
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError

from groups.command_line import find_group
from portal.command_line import Options, SubcommandsCommand, change

from . import group_limits
from .models import Environment, GroupLimits

UNITS = {"M": 1, "G": 2**10, "T": 2**20}


def define(command: SubcommandsCommand) -> None:
    """Add them."""
    command.listing("limits", _list, "What groups give their people's Labs: limits, times, environments.")
    parser = command.subcommand(
        "set-limits",
        lambda options: _set(command, options),
        "Say what a group gives its people's Labs, from the next launch on. What is not given, it says nothing about.",
    )
    parser.add_argument("group", metavar="GROUP")
    parser.add_argument("--memory", type=_mib, dest="memory_mib", metavar="SIZE", help="such as 8G; 0: no limit")
    parser.add_argument("--processors", type=float, dest="cpu_limit", metavar="NUMBER", help="such as 1.5; 0: no limit")
    parser.add_argument("--processes", type=int, dest="process_limit", metavar="NUMBER", help="0: no limit")
    parser.add_argument("--disk", type=_mib, dest="disk_mib", metavar="SIZE", help="such as 20G; 0: no limit")
    parser.add_argument("--files", type=int, dest="file_limit", metavar="NUMBER", help="0: no limit")
    parser.add_argument("--idle", type=float, dest="idle_hours", metavar="HOURS", help="without use, then it ends")
    parser.add_argument("--life", type=float, dest="life_hours", metavar="HOURS", help="maximum life time")
    parser.add_argument(
        "--environment",
        action="append",
        default=[],
        metavar="SLUG",
        help="for them; may be given several times",
    )
    parser = command.subcommand(
        "reset-limits", lambda options: _reset(command, options), "Back to the site's settings."
    )
    parser.add_argument("group", metavar="GROUP")


def _list(options: Options) -> Iterable[dict[str, Any]]:
    for row in GroupLimits.objects.select_related("group").prefetch_related("environments"):
        values = {field: getattr(row, field) for field in group_limits.FIELDS}
        yield {"group": row.group.slug, **values, "environments": [one.slug for one in row.environments.all()]}


def _set(command: SubcommandsCommand, options: Options) -> None:
    with change():
        group = find_group(options["group"])
        values = {field: options[field] for field in group_limits.FIELDS}
        group_limits.set_limits(None, group, _environments(options["environment"]), **values)
    command.say(f"Labs of “{group}” have these limits from their next launch on.")


def _reset(command: SubcommandsCommand, options: Options) -> None:
    with change():
        group = find_group(options["group"])
        group_limits.remove_limits(None, group)
    command.say(f"Labs of “{group}” are as everybody's from their next launch on.")


def _environments(slugs: list[str]) -> list[Environment]:
    found = Environment.objects.in_bulk(slugs, field_name="slug")
    if missing := [slug for slug in slugs if slug not in found]:
        raise CommandError(f"There is no environment {', '.join(f'“{slug}”' for slug in missing)}.")
    return list(found.values())


def _mib(text: str) -> int:
    found = re.fullmatch(r"(\d{1,9})([MGT])(?:i?B)?|0", text.strip(), re.IGNORECASE | re.ASCII)
    if not found:
        raise ArgumentTypeError(f"{text!r} is no size, such as 512M or 8G (units of 1,024).")
    return int(found[1]) * UNITS[found[2].upper()] if found[1] else 0
