"""Leases: locks in the database that end by themselves."""

from datetime import timedelta

from django.db import models
from django.utils import timezone


class Lease(models.Model):
    """A named lock with an end: who holds it may do what only one process may do at a time.

    It ends by itself, so a killed worker blocks nobody.
    """

    name = models.CharField(max_length=50, primary_key=True)
    until = models.DateTimeField()

    class Meta:
        db_table = "lab_turn"  # its name before 0.2

    def __str__(self) -> str:
        return self.name

    @classmethod
    def take(cls, name: str, seconds: float) -> bool:
        """Hold the lease for so many seconds; False while somebody else holds it."""
        now = timezone.now()
        cls.objects.get_or_create(name=name, defaults={"until": now})
        return bool(cls.objects.filter(name=name, until__lte=now).update(until=now + timedelta(seconds=seconds)))

    @classmethod
    def release(cls, name: str) -> None:
        """Give the lease back, so that the next one can take it."""
        cls.objects.filter(name=name).update(until=timezone.now())
