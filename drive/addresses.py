"""Addresses of files: any name that the disk can hold, a line break included, has one."""

from urllib.parse import quote

from django.urls.converters import StringConverter


class FilePathConverter(StringConverter):
    """What Django's `path` takes, and line breaks."""

    regex = "(?s:.+)"


def quoted(path: str) -> str:
    """The path as it stands in an address."""
    return quote(path, safe="/")


def folder_address(base: str, path: str) -> str:
    """Address of a folder's page; `base` is the library's, and ends with a slash."""
    return f"{base}{quoted(path)}/" if path else base
