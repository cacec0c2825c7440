"""Markdown and TeX as HTML, without Django: in the portal's pages, and in the sandbox in which notebooks are rendered.

parser.py    Markdown: CommonMark with GitHub's extensions, footnotes, front matter, formulas
formulas.py  formulas in TeX as MathML
colour.py    code in colours
"""
