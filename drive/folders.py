"""The four folders of `~/drive`. Without Django: the Lab's supervisor names them too."""

import enum


class Folder(enum.StrEnum):
    """A folder of the Drive, named alike on the web and in the Lab."""

    MINE = "My Libraries"
    PEOPLE = "Shared with me"
    GROUPS = "Shared with groups"
    ALL = "Shared with all"


MOUNTED = (Folder.MINE, Folder.PEOPLE, Folder.GROUPS)
"""Folders whose libraries are mounted one by one in a Lab; all public ones together are one mount."""
