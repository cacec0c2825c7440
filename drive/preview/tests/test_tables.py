"""Tables as they come: every dialect that programs write, and words that are true of what is shown."""

from pathlib import Path

import pytest

from drive.preview.tables import Table, read_table
from drive.preview.texts import read_text

CASES = Path(__file__).parent / "cases"


def table_of(content: bytes, name: str = "a.csv", *, is_cut: bool = False) -> Table:
    text = read_text(content, is_cut=is_cut)
    assert text
    table = read_table(text, name)
    assert table
    return table


def case(name: str) -> Table:
    return table_of((CASES / name).read_bytes(), name)


def test_it_takes_a_quote_without_a_partner_for_a_character() -> None:
    table = case("bids.tsv")
    assert table.head == ["participant_id", "age", "sex", "notes"]
    assert [row[0] for row in table.rows] == ["sub-01", "sub-02", "sub-03"]
    assert table.rows[1][3] == '"unbalanced quote'
    assert table.notes == ["In row 2 a quote is not closed. It is shown as a character."]


def test_it_shows_comment_lines_above_the_table() -> None:
    table = case("comments.csv")
    assert [line[:6] for line in table.comments] == ["# This", "# unit"]
    assert table.head == ["date", "lon", "lat", "value"]
    assert table.rows == [["2020-01-01", "-97.0", "40", "5.00"], ["2020-01-01", "-97.0", "40", "6.00"]]
    assert table.notes == []


def test_it_shows_decimal_commas_as_written() -> None:
    table = case("decimal-comma.csv")
    assert table.head == ["Zeit", "Spannung (mV)", "Strom (nA)"]
    assert table.rows == [["0,1", "-65,23", "0,01"], ["0,2", "-65,11", "0,02"], ["0,3", "-64,98", "0,03"]]
    assert table.notes == []


def test_it_follows_the_delimiter_that_the_first_line_names() -> None:
    table = case("excel-sep.csv")
    assert (table.head, table.rows) == (["name", "value"], [["a", "1,5"], ["b", "2,5"]])


def test_it_knows_the_nameless_column_of_pandas() -> None:
    table = case("pandas-index.csv")
    assert (table.head, table.rows) == (["", "subject", "score"], [["0", "s1", "3.4"], ["1", "s2", "2.1"]])
    assert table.notes == []


@pytest.mark.parametrize(
    ("content", "head", "rows"),
    [
        (b"a,b\n1,2", ["a", "b"], [["1", "2"]]),
        (b'"a;x";b\n1;2', ["a;x", "b"], [["1", "2"]]),
        (b'a,b\n"two\nlines",2', ["a", "b"], [["two\nlines", "2"]]),
        (b'a,b\n"says ""hi""",2', ["a", "b"], [['says "hi"', "2"]]),
        (b"1,2\n3,4", [], [["1", "2"], ["3", "4"]]),
        (b'a,b\n"never closed', ["a", "b"], [['"never closed']]),
        (b"\xef\xbb\xbfa|b\r\n1|2\r\n", ["a", "b"], [["1", "2"]]),
        (b"0,1;0,5\n0,2;0,7\n", [], [["0,1", "0,5"], ["0,2", "0,7"]]),
        (b'name,where\nx,"a;b"\ny,c;d\n', ["name", "where"], [["x", "a;b"], ["y", "c;d"]]),
        (b"id\tsays\n1\ta, b, c\n2\td\n", ["id", "says"], [["1", "a, b, c"], ["2", "d"]]),
        (b"#x,y\n1,2\n3,4\n", ["x", "y"], [["1", "2"], ["3", "4"]]),
        (b"a\n1\n2\n", ["a"], [["1"], ["2"]]),
        (b"a,b\n\n1,2\n\n", ["a", "b"], [["1", "2"]]),
        (b"sep=\t\na\tb\n1\t2\n", ["a", "b"], [["1", "2"]]),
        (b'a\tb\n"x\t1\nz\ty"\n', ["a", "b"], [['"x', "1"], ["z", 'y"']]),
    ],
)
def test_it_reads_tables_as_they_come(content: bytes, head: list[str], rows: list[list[str]]) -> None:
    table = table_of(content)
    assert (table.head, table.rows) == (head, rows)


def test_it_says_how_much_is_shown_and_no_more() -> None:
    assert table_of(b"a,b\n" + b"1,2\n" * 1000).notes == []
    assert table_of(b"a,b\n" + b"1,2\n" * 3000).notes == ["The first 1,000 of 3,000 rows are shown."]
    assert table_of(b"1,2\n" * 1001).notes == ["The first 1,000 of 1,001 rows are shown."]
    assert table_of(b'a,b\n"1",2\n' + b'1,"2"\n' * 2999).notes == ["The first 1,000 of 3,000 rows are shown."]
    assert table_of(b"a,b\n1,2\n3", is_cut=True).notes == ["The first 1 row is shown."]
    wide = ",".join(map(str, range(250)))
    assert table_of(f"{wide}\n{wide}\n".encode()).notes == ["The first 100 of 250 columns are shown."]
    assert table_of(b"a,b\n1," + b"x" * 1001).notes == ["Of long cells the first 1,000 characters are shown."]


def test_it_says_where_rows_differ() -> None:
    assert table_of(b"a,b\n1,2\n3\n4,5\n").notes == [
        "The rows and the head do not all have the same number of fields: 1 to 2."
    ]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("größe;20 €\n1;2".encode(), "UTF-8"),
        ("größe;20 €\n1;2".encode("utf-16"), "UTF-16"),
        ("größe;20 €\n1;2".encode("cp1252"), "Windows-1252"),
        ("größe;20 m\n1;2".encode("latin-1"), "Latin-1"),
    ],
)
def test_it_reads_what_other_systems_write(content: bytes, encoding: str) -> None:
    text = read_text(content, is_cut=False)
    assert text
    assert text.encoding == encoding
    assert table_of(content).head[0] == "größe"


@pytest.mark.slow
def test_it_is_not_kept_busy_by_quotes() -> None:
    """Each would look for its partner in all that follows, were a character looked at twice."""
    for content in (b'"' * 500_000, b',"x' * 150_000, b'"x\n' * 150_000, b',""a' * 100_000, b'"""a,""' * 70_000):
        text = read_text(content, is_cut=False)
        assert text
        read_table(text, "a.csv")
