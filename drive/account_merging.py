"""Libraries, shares, links and authorship of an account that becomes part of another."""

from portal.models import User

from .libraries import quota, services
from .models import Contributor, File, Library, PublicLink, Quota, Share, Trashed, UploadLink, Version


def merge(actor: User | None, source: User, target: User) -> list[str]:
    """Hand over. Deleted libraries stay with `source`, and links to libraries that change hands end."""
    done = []
    for library in Library.objects.filter(owner_user=source, deleted_at=None).order_by("name_key"):
        name = library.name
        now = services.transfer_library(actor, library, target)
        done.append(f"library “{name}”" + (f", as “{now.name}”" if now.name != name else ""))
    for share in Share.objects.filter(user=source).select_related("library").order_by("library__name_key"):
        if services.pass_on_share(actor, share, target):
            done.append(f"“{share.library.name}”, which somebody shared with {source.username}")
    for link in (PublicLink, UploadLink):
        link.objects.filter(created_by=source, revoked_at=None).update(created_by=target)
    done += _hand_over_authorship(source, target)
    if Quota.objects.filter(user=source).exists():
        done.append(f"not handed over: the quota of its own that {source.username} has")
    if (usage := quota.of_person(target)).is_over:
        done.append(f"{target.username} is over quota then: {usage}")
    return done


def _hand_over_authorship(source: User, target: User) -> list[str]:
    count = Version.objects.filter(by=source).update(by=target)
    File.objects.filter(changed_by=source).update(changed_by=target)
    Trashed.objects.filter(deleted_by=source).update(deleted_by=target)
    both = Contributor.objects.filter(user=target)
    versions = both.exclude(version=None).values_list("version", flat=True)
    mine = Contributor.objects.filter(user=source)
    mine.exclude(version=None).exclude(version__in=versions).update(user=target)
    since_newest = both.filter(version=None).values_list("file", flat=True)
    mine.filter(version=None).exclude(file__in=since_newest).update(user=target)
    return [f"author of versions of files: {count}"] if count else []
