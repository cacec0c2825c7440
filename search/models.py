"""What of the files is in the search index, and the words that typing errors are compared with."""

from datetime import datetime

from django.db import models

from drive.models import File


class IndexedFile(models.Model):
    """A file whose words are in the index (index.py): the path and the content that they were taken from.

    It says nothing about who may see the file: that is asked of the library, with every search.
    """

    file = models.OneToOneField(
        File, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="search_entry"
    )
    path_key = models.CharField(max_length=64, help_text="Of the path whose words are in the index.")
    signature = models.CharField(max_length=80, help_text="Of the content whose words are in the index.")
    size = models.IntegerField(default=0, help_text="Bytes of the words of its text.")

    def __str__(self) -> str:
        return f"index entry of file {self.pk}"


class IndexState(models.Model):
    """How far the index has followed the files of the Drive. One row."""

    noted_until = models.DateTimeField(null=True, help_text="Changes that were noted before are in the index.")
    swept_to = models.BigIntegerField(
        null=True,
        default=0,
        help_text="All files up to this number were compared with the index; empty: all there are.",
    )
    learned_at = models.DateTimeField(null=True, help_text="When the words of all Collabs were learned.")

    def __str__(self) -> str:
        return "state of the search index"

    @classmethod
    def current(cls) -> "IndexState":
        """The row, made where it is missing: then everything is compared."""
        return cls.objects.get_or_create(pk=1)[0]

    def note(self, **values: datetime | int | None) -> None:
        """Save some columns."""
        for name, value in values.items():
            setattr(self, name, value)
        IndexState.objects.filter(pk=self.pk).update(**values)


class Word(models.Model):
    """A word of the index, which a word that was typed wrong may have been meant for."""

    word = models.CharField(max_length=30, unique=True)
    backwards = models.CharField(max_length=30, db_index=True, help_text="From its end to its beginning.")

    def __str__(self) -> str:
        return self.word
