from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class CollabsConfig(AppConfig):
    name = "collabs"
    verbose_name = "Collabs"

    def ready(self) -> None:
        from . import standing

        pre_migrate.connect(standing.drop, dispatch_uid="standing")
        post_migrate.connect(standing.create, dispatch_uid="standing")
