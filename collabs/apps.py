from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class CollabsConfig(AppConfig):
    name = "collabs"
    verbose_name = "Collabs"

    def ready(self) -> None:
        from . import effective_roles_view

        pre_migrate.connect(effective_roles_view.drop, dispatch_uid="effective_roles")
        post_migrate.connect(effective_roles_view.create, dispatch_uid="effective_roles")
