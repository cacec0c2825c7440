from django.apps import AppConfig


class SearchConfig(AppConfig):
    """Search over files, their text, Collabs and people: the form in the header of every page."""

    name = "search"
    verbose_name = "Search"
