"""Tables.

dialect.py   delimiter, comment lines and quotes of a text
reading.py   the first rows, and in words what is not shown
    rendered.py  what the renderer has read of spreadsheets and Parquet
"""

from .reading import Table, read_table

__all__ = ["Table", "read_table"]
