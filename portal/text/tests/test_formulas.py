"""Formulas in TeX become MathML that can do nothing, or stay as they were written; and none takes for ever."""

import re
import time
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.text.markup.formulas import Formulas

SET = [
    r"E = mc^2",
    r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
    r"\begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \end{cases}",
    r"\left( \frac{1}{2} \right]_0^\infty",
    r"\boldsymbol{\alpha} \mathbf{x}^T \mathcal{L} \mathbb{R}",
    r"50\% \{a\} \label{eq:1} \nonumber",
    r"\newcommand{\norm}[1]{\lVert #1 \rVert} \norm{x}",
    r"\DeclareMathOperator*{\am}{arg\,max} \am_x",
    r"\def\half{\frac12} \half",
    "a \\\\ b % a comment",
]


def html(tex: str, *, display: bool = True) -> str:
    return Formulas().html(tex, display=display)


@pytest.mark.parametrize("tex", SET)
def test_it_sets_what_papers_have(tex: str) -> None:
    assert html(tex).startswith('<math display="block">')
    assert "\\" not in html(tex)


def test_it_keeps_macros_for_the_rest_of_the_text() -> None:
    formulas = Formulas()
    assert formulas.html(r"\newcommand{\R}{\mathbb{R}}", display=True) == ""
    assert "ℝ" in formulas.html(r"x \in \R", display=False)


def test_it_puts_limits_where_they_belong() -> None:
    assert "<munder><mo movablelimits" in html(r"\lim_{x \to 0} f", display=False)
    assert "<munderover>" in html(r"\sum_{i=1}^n i")


@pytest.mark.parametrize(
    "tex", [r"\frac1", r"\unknown{x}", "{", r"\begin{foo}x\end{bar}", r"a & b", r"\left(", r"\let\a\b x", "x" * 5000]
)
def test_it_shows_what_is_no_formula_as_it_was_written(tex: str) -> None:
    shown = html(tex)
    assert "<math" not in shown
    assert shown.startswith('<pre class="formula"><code>$$')


@pytest.mark.parametrize(
    "tex",
    [
        r"\def\x{\x\x}\x",
        r"\def\a{\b\b}\def\b{\a\a}\a",
        r"\newcommand{\x}[1]{\x{#1#1}}\x{y}",
        "".join(rf"\def\{chr(97 + n)}{{\{chr(98 + n)}\{chr(98 + n)}}}" for n in range(24)) + r"\a",
        "{" * 3999,
        r"\frac" * 700,
        r"\sqrt{" * 600 + "}" * 400,
        r"\operatorname{" + " " * 3900,
        r"\verb|" * 600,
        r"\text{" * 600,
        "x" + "'" * 3900,
        "x_" * 1900,
        r"\left(" * 600,
        r"\begin{matrix}" * 250,
        "&" * 3900,
    ],
)
def test_no_formula_takes_for_ever(tex: str) -> None:
    began = time.process_time()
    html(tex)
    assert time.process_time() - began < 20  # of processor time: what has no end, or doubles, takes years


def test_many_formulas_together_take_no_longer_than_they_may() -> None:
    formulas = Formulas(seconds=0.2)
    began = time.process_time()
    shown = [formulas.html("x^2 " * 300, display=False) for _ in range(500)]
    assert "<math" in shown[0]
    assert "<math" not in shown[-1]
    assert time.process_time() - began < 20


WORDS = [*r"\ { } _ ^ & $ # % ' < > = 1 x ~ [ ]".split(), " ", "\n", '"', "onload=", "\0", "é", "𝐱"]
WORDS += [
    rf"\{name}"
    for name in (
        "frac sqrt text left right begin{matrix} end{matrix} begin{align} end{align} color href style class "
        "textcolor colorbox fcolorbox rule hspace raise operatorname mathbf boldsymbol def newcommand not sum limits "
        "overset substack genfrac xrightarrow unicode verb over binom middle bmod prime tag skew mathop"
    ).split()
]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join), st.booleans())
def test_whatever_is_written_gives_well_formed_elements_of_the_list(tex: str, display: bool) -> None:
    shown = html(tex, display=display)
    if not shown:
        return
    tree = ElementTree.fromstring(re.sub("[\0-\x08\x0b\x0c\x0e-\x1f]", "", shown))
    assert {element.tag for element in tree.iter()} <= {"math", "pre", "code"} or tree.tag == "math"
    for element in tree.iter():
        assert re.fullmatch(r"math|pre|code|none|m[a-z]+", element.tag)
        assert not {"href", "style", "id", "src"} & set(element.attrib)
        assert not [name for name in element.attrib if name.startswith("on")]
