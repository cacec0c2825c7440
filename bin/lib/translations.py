"""Catalogues of translated sentences: `python bin/lib/translations.py`, with the packages of requirements-dev.txt.

Takes the sentences out of Python (`gettext` and its kin) and templates (`translate`, `blocktranslate`, `_("…")`),
brings each app’s `locale/{de,fr}/LC_MESSAGES/django.po` in step with them, compiles all, and names what is left to
translate. `templates/<app>/` belongs to the app, other templates to `portal`. `locale/` replaces sentences of packages;
its entries are written by hand. What is compiled is committed, so that a site needs no compiler;
`portal/tests/test_translations.py` holds everything in step.
"""

import ast
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polib

TOP = Path(__file__).resolve().parents[2]
LOCALE = TOP / "locale"
LANGUAGES = ("de", "fr")
PLURALS = {"de": "nplurals=2; plural=(n != 1);", "fr": "nplurals=2; plural=(n > 1);"}
APPS = ("portal", "notices", "groups", "collabs", "drive", "rooms", "lab", "search", "identity", "api", "console")
FUNCTIONS = {
    name: kind
    for kind, names in {
        "": "_ gettext gettext_lazy gettext_noop",
        "n": "ngettext ngettext_lazy",
        "p": "pgettext pgettext_lazy",
        "np": "npgettext npgettext_lazy",
    }.items()
    for name in names.split()
}
"""Functions of `django.utils.translation`, by their arguments: context first (p), plural after the sentence (n)."""
_IN_TAG = re.compile(r"""_\(("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\)""")


@dataclass
class Sentence:
    """What stands in the code: msgid, with the plural's and the files it stands in."""

    text: str
    plural: str = ""
    context: str = ""
    files: set[str] = field(default_factory=set)

    @property
    def key(self) -> tuple[str, str]:
        """Identity in a catalogue."""
        return self.context, self.text


def compiled(source: Path) -> bytes:
    """A `.po` file as a `.mo` file (GNU gettext)."""
    return polib.pofile(str(source)).to_binary()


def catalogue(app: str, language: str) -> Path:
    """Path of an app's catalogue."""
    return TOP / app / "locale" / language / "LC_MESSAGES/django.po"


def sentences(app: str) -> list[Sentence]:
    """All sentences of an app, in the order of its files; ValueError for one that cannot be taken out."""
    found: dict[tuple[str, str], Sentence] = {}
    for path in files(app):
        for sentence in in_template(path) if path.suffix in (".html", ".txt") else in_python(path):
            kept = found.setdefault(sentence.key, sentence)
            kept.plural = kept.plural or sentence.plural
            kept.files.add(str(path.relative_to(TOP)))
    return list(found.values())


def files(app: str) -> Iterator[Path]:
    """Python files and templates of an app, without its tests."""
    code = ((TOP / app).rglob("*.py"), (TOP / app).rglob("templates/**/*.html"))
    yield from sorted(path for paths in code for path in paths if not {"tests", "migrations"} & set(path.parts))
    pages = [path for path in (TOP / "templates").rglob("*") if path.suffix in (".html", ".txt")]
    yield from sorted(path for path in pages if _app_of(path) == app)


def _app_of(template: Path) -> str:
    first = template.relative_to(TOP / "templates").parts[0]
    return first if first in APPS else "portal"


def in_python(path: Path) -> Iterator[Sentence]:
    """Sentences in calls of FUNCTIONS. What is no constant is a sentence from elsewhere; an f-string is an error."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        kind = FUNCTIONS.get(name)
        if kind is None or not node.args:
            continue
        if any(isinstance(argument, ast.JoinedStr) for argument in node.args):
            raise ValueError(f"{path}:{node.lineno}: an f-string cannot be translated")
        values = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        words = [value for value in values if isinstance(value, str)]
        context = words.pop(0) if "p" in kind and words else ""
        if words:
            yield Sentence(words[0], words[1] if "n" in kind else "", context)


def in_template(path: Path) -> Iterator[Sentence]:
    """Sentences of a template, as Django's own tags ask for them."""
    from django.template import Template
    from django.template.base import Lexer, TokenType
    from django.templatetags.i18n import BlockTranslateNode, TranslateNode

    text = path.read_text()
    nodelist: Any = Template(text).nodelist
    for node in nodelist.get_nodes_by_type((TranslateNode, BlockTranslateNode)):
        context = node.message_context.var if node.message_context else ""
        if isinstance(node, TranslateNode):
            literal = getattr(node.filter_expression.var, "literal", node.filter_expression.var)
            if isinstance(literal, str):
                yield Sentence(literal.replace("%", "%%"), "", context)
            continue
        plural = node.render_token_list(node.plural)[0] if node.plural else ""
        yield Sentence(node.render_token_list(node.singular)[0], plural, context)
    for token in Lexer(text).tokenize():
        if token.token_type in (TokenType.VAR, TokenType.BLOCK):
            for found in _IN_TAG.findall(token.contents):
                yield Sentence(ast.literal_eval(found).replace("%", "%%"))


def in_step(path: Path, language: str, wanted: Iterable[Sentence]) -> polib.POFile:
    """The catalogue with exactly these sentences; what was translated stays."""
    old = {(entry.msgctxt or "", entry.msgid): entry for entry in polib.pofile(str(path))} if path.exists() else {}
    made = polib.POFile(wrapwidth=110)
    made.metadata = {
        "Language": language,
        "Plural-Forms": PLURALS[language],
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
    }
    for sentence in wanted:
        entry = polib.POEntry(msgid=sentence.text, msgid_plural=sentence.plural, msgctxt=sentence.context or None)
        before = old.get(sentence.key)
        if sentence.plural:
            kept = before.msgstr_plural if before and before.msgid_plural else {}
            entry.msgstr_plural = kept or {0: "", 1: ""}
        elif before:
            entry.msgstr = before.msgstr
        entry.occurrences = [(file, "") for file in sorted(sentence.files)]
        made.append(entry)
    return made


def untranslated(entry: polib.POEntry) -> bool:
    """True if a form of the sentence is empty or only guessed."""
    texts = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
    return entry.fuzzy or not all(texts)


def main() -> None:
    """Bring all catalogues in step, compile them, and list what has no translation."""
    sys.path.insert(0, str(TOP))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    import django

    django.setup()
    for app in APPS:
        wanted = sentences(app)
        for language in LANGUAGES if wanted else ():
            path = catalogue(app, language)
            path.parent.mkdir(parents=True, exist_ok=True)
            made = in_step(path, language, wanted)
            made.save(str(path))
            for entry in filter(untranslated, made):
                print(f"{path.relative_to(TOP)}: {entry.msgid}")
    for source in [*LOCALE.rglob("*.po"), *(path for app in APPS for path in (TOP / app).glob("locale/*/*/*.po"))]:
        source.with_suffix(".mo").write_bytes(compiled(source))


if __name__ == "__main__":
    main()
