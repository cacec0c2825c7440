"""Audit entries in people's words: “requested a Lab”, “role from viewer to editor”.

The rows keep the names of actions and JSON; these are the words for them where people read. English, as the whole
administration. A test asks for words for everything that is recorded.
"""

from collections.abc import Iterator, Mapping
from typing import Any

PHRASES = {
    "account.activated": "activated the account",
    "account.address.confirmed": "confirmed the address of the account",
    "account.changed": "changed the account",
    "account.created": "created the account",
    "account.deactivated": "deactivated the account",
    "account.merged": "merged another account into this one",
    "account.deleted": "deleted the account",
    "account.erased": "erased the account for its person",
    "account.exported": "wrote what is kept of this person into a file",
    "account.looked-at": "looked at what this person sees",
    "account.password.set": "set a new password",
    "account.passwords.guessed": "noticed guesses of the password",
    "account.rights.changed": "changed the rights of an operator",
    "account.second-factor.forgotten": "removed the second factor",
    "account.service.allowed": "allowed a service to use the account",
    "account.service.reuse": "ended a service's access, which was used by two",
    "account.service.revoked": "took a service's access away",
    "account.services.signed_out": "signed out of all services",
    "account.session.ended": "ended a session",
    "account.terms.accepted": "accepted the terms of use",
    "account.token.made": "made a token",
    "account.token.revoked": "revoked a token",
    "announcement.changed": "changed an announcement",
    "announcement.ended": "ended an announcement",
    "announcement.made": "made an announcement",
    "collab.archived": "archived the Collab",
    "collab.changed": "changed the Collab",
    "collab.contacted": "wrote to the administrators",
    "collab.created": "created the Collab",
    "collab.deleted": "deleted the Collab",
    "collab.environment.changed": "chose another environment",
    "collab.group.given": "gave a group a role",
    "collab.group.removed": "took a group's role away",
    "collab.invitation.accepted": "accepted an invitation",
    "collab.invitation.declined": "declined an invitation",
    "collab.invitation.made": "invited somebody",
    "collab.invitation.revoked": "revoked an invitation",
    "collab.member.added": "added a member",
    "collab.member.changed": "gave a member another role",
    "collab.member.left": "left the team",
    "collab.member.removed": "removed a member",
    "collab.removed": "removed the Collab for good",
    "collab.request.approved": "approved a request to join",
    "collab.request.declined": "declined a request to join",
    "collab.request.made": "asked to join",
    "collab.restored": "restored the Collab",
    "collab.unarchived": "restored the Collab from the archive",
    "file.purged": "deleted something in the trash for good",
    "file.restored": "restored something from the trash",
    "group.changed": "changed the group",
    "group.limits.changed": "changed what the group gives Labs",
    "group.limits.removed": "removed what the group gives Labs",
    "group.created": "created the group",
    "group.deleted": "deleted the group",
    "group.manager.added": "made somebody a manager of the group",
    "group.manager.removed": "took a manager's role away",
    "group.nested": "put a group into the group",
    "group.person.added": "added somebody to the group",
    "group.person.left": "left the group",
    "group.person.removed": "removed somebody from the group",
    "group.unnested": "took a group out of the group",
    "identity.client.changed": "changed a client",
    "identity.client.created": "created a client",
    "identity.client.removed": "removed a client",
    "identity.client.secret": "made a new secret of a client",
    "lab.environment.build-asked": "asked for a build of the environment",
    "lab.environment.built": "built the environment",
    "lab.environment.changed": "changed the environment",
    "lab.environment.created": "created the environment",
    "lab.git_pull": "fetched a repository",
    "lab.packages.answered": "answered for a Collab's packages for next time",
    "lab.packages.changed": "changed the packages for next time",
    "lab.pause.changed": "changed a pause of launches",
    "lab.pause.made": "made a pause of launches",
    "lab.server.kept": "kept a Lab running",
    "lab.server.requested": "requested a Lab",
    "lab.server.stopped": "stopped a Lab",
    "library.created": "created the library",
    "library.deleted": "deleted the library",
    "library.loss": "noticed that many files are gone",
    "library.loss_answered": "answered what is right about lost files",
    "library.made_private": "made the library private",
    "library.made_public": "made the library public",
    "library.removed": "removed the library for good",
    "library.renamed": "renamed the library",
    "library.restored": "restored the library",
    "library.restored_from_backup": "restored the library from a backup",
    "library.shared": "shared the library",
    "library.transferred": "gave the library to somebody else",
    "library.unshared": "stopped sharing the library",
    "link.changed": "changed a public link",
    "link.made": "made a public link",
    "link.revoked": "revoked a public link",
    "quota.changed": "changed the quota",
    "quota.removed": "set the quota back to the default",
    "upload_link.changed": "changed an upload link",
    "upload_link.made": "made an upload link",
    "upload_link.received": "received a file through an upload link",
    "upload_link.revoked": "revoked an upload link",
    "task.retried": "queued a failed task again",
}
"""What was done, by the name of the action: after who did it, before what it was done to."""

LABELS = {
    "cpu_limit": "processors",
    "disk_mib": "disk in MiB",
    "file_limit": "files",
    "memory_mib": "memory in MiB",
    "process_limit": "processes",
    "fields": "changed",
    "provider_name": "provider's name",
    "visitors_read": "open to visitors",
}
"""Words for details whose keys are none; the others are their keys."""

MOST = 200
"""Characters of one value that are shown; the entry's own page has all."""


def phrase(verb: str) -> str:
    """What was done; the name of an action that has no words (any more) stands for itself."""
    return PHRASES.get(verb, verb)


def sentences(details: Mapping[str, Any]) -> str:
    """Details of an entry, without JSON: “role from viewer to editor; user ada”."""
    return "; ".join(_parts(details))


def _parts(details: Mapping[str, Any]) -> Iterator[str]:
    """A change (`before` with `after`, or with the role that came after it) is one part; so is each other detail.

    In the order of their keys: PostgreSQL does not keep another one.
    """
    rest = dict(details)
    if "before" in rest:
        before = rest.pop("before")
        after_key = "role" if "role" in rest else "after"
        yield from _change("role" if after_key == "role" else "", before, rest.pop(after_key, None))
    for key, value in sorted(rest.items()):
        yield f"{_label(key)} {_text(value)}".strip()


def _change(name: str, before: Any, after: Any) -> Iterator[str]:
    """From one value to another; of several named ones, those that differ."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield f"{name} from {_text(before)} to {_text(after)}".strip()
        return
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield from _change(_label(key), before.get(key), after.get(key))


def _label(key: str) -> str:
    return LABELS.get(key, key.replace("_", " "))


def _text(value: Any) -> str:
    """A value as people write it."""
    match value:
        case True:
            return "yes"
        case False:
            return "no"
        case 0:
            text = "0"
        case _ if not value:
            text = "none"
        case list():
            text = ", ".join(map(_text, value))
        case dict():
            text = ", ".join(f"{_label(key)} {_text(each)}" for key, each in sorted(value.items()))
        case _:
            text = str(value)
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"
