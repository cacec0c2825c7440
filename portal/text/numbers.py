"""Numbers in sentences."""

from django.utils.formats import number_format


def grouped(number: int) -> str:
    """“12,500” in English; the thousands as the language of the page groups them."""
    return number_format(number, use_l10n=True, force_grouping=True)
