"""Files written as the pages write them, and what people find."""

import json

from drive.files import operations
from drive.models import Library
from drive.storage import open_library
from portal.models import User
from search import files, indexing
from search.results import KINDS, Results, Wanted, search
from search.words import typed_words

ALL = Wanted(dict.fromkeys(KINDS, 100))


def write(actor: User, library: Library, path: str, text: str = "") -> None:
    """Save a file; a notebook with the text in its only cell."""
    if path.endswith(".ipynb"):
        text = json.dumps({"cells": [{"cell_type": "code", "source": text, "outputs": [{"text": "outputword"}]}]})
    with open_library(library) as opened:
        opened.make_folders(path.rpartition("/")[0])
    operations.write(actor, library, path, text.encode())


def follow() -> None:
    """Bring the index up to date, however long it takes."""
    while indexing.follow():
        pass


def found(user: User, words: str) -> Results:
    return search(user, words, ALL)


def names(user: User, words: str) -> list[str]:
    """Paths that the words find by name, without what is only close to them."""
    return sorted(one.path for one in files.by_name(user, typed_words(words), 0, 100)[0])


def texts(user: User, words: str) -> list[str]:
    """Paths that the words find by text."""
    return sorted(one.path for one in files.by_text(user, typed_words(words), 0, 100)[0])
