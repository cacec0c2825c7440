"""Groups of an account that becomes part of another."""

from portal.models import User

from . import services
from .models import GroupManager, GroupMember


def merge(actor: User | None, source: User, target: User) -> list[str]:
    """Put `target` into the groups of `source`, and let them manage what it manages."""
    done = []
    for member in GroupMember.objects.filter(user=source).select_related("group").order_by("group__slug"):
        if not GroupMember.objects.filter(group=member.group, user=target).exists():
            services.add_person(actor, member.group, target, from_provider=member.from_provider)
            done.append(f"in the group {member.group.slug}")
        services.remove_person(actor, member.group, source)
    for manager in GroupManager.objects.filter(user=source).select_related("group").order_by("group__slug"):
        services.add_manager(actor, manager.group, target)
        services.remove_manager(actor, manager.group, source)
        done.append(f"manages the group {manager.group.slug}")
    return done
