"""Hooks: functions of later apps that earlier apps call at named events.

Imports go one way (portal <- collabs <- drive <- lab), so `collabs` cannot call `drive` when a Collab is created. The
settings know every app: `PORTAL_HOOKS` names, per event, the functions to call, in order, inside the caller's
transaction. A hook that raises undoes the whole change: a Collab without its library never exists.

Events and their keyword arguments:

====================  =====================================  ==========================================================
event                 arguments                              called
====================  =====================================  ==========================================================
``user_created``      ``user``                               when an account's row is first saved
``user_deactivated``  ``actor, user``                        after an account was deactivated
``collab_created``    ``actor, collab``                      after the row and the creator's membership exist
``collab_changed``    ``actor, collab, changed`` (set[str])  after title, description or visibility were saved
``collab_deleted``    ``actor, collab``                      after the Collab was marked deleted
``collab_restored``   ``actor, collab``                      after the mark was taken away
``collab_settings``   ``collab``                             collected: title, text, label, url of a page of settings
``valid_passes``      ``ids``                                collected: those of these passes to Labs that still count
``passwords_guessed`` ``user``                               when many wrong passwords came for an account
``signed_out``        ``user``                               when a person is signed in nowhere any more
``signed_out_``       ``user``                               when a person, or an operator for them, has ended all
``everywhere``                                               (other) sessions
``provider_groups``   ``user, provider, names``              at a sign-in through a provider
``groups_command``    ``command``                            when `bin/manage groups` is defined: to add subcommands
``group_grows``       ``actor, group``                       before a person or a group is put into it
``group_deleted``     ``actor, group``                       before its row is deleted
``library_removed``   ``library``                            when a library goes for good, before its files' rows do;
                                                             again where that was cut off
``account_leaving``   ``user``                               collected: lists of `deletion.Belonging`
``account_left``      ``user, answers`` (dict[str, str])     when an account is deleted, before its row is emptied
``disk_is_short``     none                                   collected: whether there is no room to keep more
``metrics``           ``up`` (frozenset[str])                collected: families of metrics, of parts that are up
``readiness``         none                                   collected: lists of parts that must answer (`health.Part`)
``before_upgrade``    ``tell`` (prints a line)               before a database that has had migrations is migrated
``after_upgrade``     none                                   once it has had all of them
``account_export``    ``user``                               collected: names of files with what they hold, for JSON
====================  =====================================  ==========================================================
"""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string


def run(event: str, **arguments: Any) -> None:
    """Call every function that PORTAL_HOOKS names for `event`; KeyError for an unknown event."""
    collect(event, **arguments)


def collect(event: str, **arguments: Any) -> list[Any]:
    """Call every function for `event`, and return their results."""
    return [import_string(path)(**arguments) for path in settings.PORTAL_HOOKS[event]]
