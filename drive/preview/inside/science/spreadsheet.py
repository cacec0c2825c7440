"""Sheets of a workbook (Excel, OpenDocument), read by Calamine."""

import zipfile
from pathlib import Path

from ..page import InvalidContentError
from . import tables

MOST_UNPACKED = 512 * 2**20
"""Bytes. A sheet is read as a whole, in memory."""


def spreadsheet(file: Path) -> str:
    """The first rows of each sheet, as JSON. Values as they were saved: no formula is computed."""
    from python_calamine import CalamineError, CalamineWorkbook

    _check(file)
    try:
        workbook = CalamineWorkbook.from_path(str(file))
        sheets = []
        for name in workbook.sheet_names[: tables.MOST_SHEETS]:
            sheet = workbook.get_sheet_by_name(name)
            rows = sheet.to_python(skip_empty_area=False, nrows=tables.ROWS)
            end = sheet.end or (-1, -1)
            sheets.append(tables.sheet(name, rows, height=end[0] + 1, width=end[1] + 1))
    except (CalamineError, OSError, ValueError) as error:
        locked = "password" in str(error).lower()
        why = "This workbook is protected by a password." if locked else "This is not a valid spreadsheet."
        raise InvalidContentError(why) from error
    if not sheets:
        raise InvalidContentError("This workbook has no sheets.")
    return tables.dump(sheets)


def _check(file: Path) -> None:
    """InvalidContentError for a ZIP archive that says it is too large. One that lies is held by the bound of memory."""
    if not zipfile.is_zipfile(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise InvalidContentError("This is not a valid spreadsheet.") from error
    if unpacked > MOST_UNPACKED:
        raise InvalidContentError("This spreadsheet is too large to show here, unpacked.")
