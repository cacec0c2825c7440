"""Leases: locks in the database that end by themselves."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

AHEAD = timedelta(minutes=1)
"""What is so far ahead of the time at which it can be was written before the clock was set back."""


class Lease(models.Model):
    """A named lock with an end: who holds it may do what only one process may do at a time.

    It ends by itself, so a killed worker blocks nobody; nor does one that held it before the clock was set back.
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
        until = now + timedelta(seconds=seconds)
        free = models.Q(until__lte=now) | models.Q(until__gt=until + AHEAD)
        return bool(cls.objects.filter(free, name=name).update(until=until))

    @classmethod
    def last_used(cls, name: str) -> datetime | None:
        """Time at which it was given back, or ended or will end by itself; None: never taken."""
        return cls.objects.filter(name=name).values_list("until", flat=True).first()

    @classmethod
    def release(cls, name: str) -> None:
        """Give the lease back, so that the next one can take it."""
        cls.objects.filter(name=name).update(until=timezone.now())
