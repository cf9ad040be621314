"""Writers of exports: each writes tasks one by one into a file, and holds none of them in memory."""

from __future__ import annotations

import csv
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import orjson
from xlsxwriter import Workbook

from nxfs.core import clock
from nxfs.core.csv_cells import guarded
from nxfs.core.messages import translate
from nxfs.core.threads import run_long_in_thread
from nxfs.tasks.queries.exports import NamedTask
from nxfs.tasks.service.export_columns import COLUMNS, Cell, cells_of, object_of

# Excel counts UTF-16.
LONGEST_CELL = 32_767
# Excel takes 1900 for a leap year, and no date before.
FIRST_DATE = date(1900, 3, 1)
MOST_ROWS = {"xlsx": 1_048_575}
# What XML cannot have, and XlsxWriter does not escape.
_NOT_IN_XML = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}


class Writer(Protocol):
    """Writes a file. ``finish`` makes it whole; ``close`` lets go of it, also of one that is not finished."""

    def write(self, task: NamedTask) -> None:
        """Write a task behind the others."""

    def finish(self) -> None:
        """Write what belongs behind the last task; others run meanwhile."""

    def close(self) -> None:
        """Leave nothing open, and nothing beside the file."""


class CsvWriter:
    """UTF-8 with a byte order mark, by which Excel knows it, and otherwise as RFC 4180 says."""

    def __init__(self, path: Path, language: str, time_zone: str) -> None:
        self._file = path.open("x", encoding="utf-8-sig", newline="")
        self._rows = csv.writer(self._file, lineterminator="\r\n")
        self._rows.writerow([translate(column.heading, language) for column in COLUMNS])

    def write(self, task: NamedTask) -> None:
        self._rows.writerow([text_of(cell) for cell in cells_of(task)])

    def finish(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class JsonWriter:
    """An array with an object a line."""

    def __init__(self, path: Path, language: str, time_zone: str) -> None:
        self._file = path.open("xb")
        self._before = b"[\n"

    def write(self, task: NamedTask) -> None:
        self._file.write(self._before + orjson.dumps(object_of(task)))
        self._before = b",\n"

    def finish(self) -> None:
        self._file.write(b"\n]\n" if self._before == b",\n" else b"[]\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class WorkbookWriter:
    """A workbook with one sheet: dates as dates, times in the server's time zone, and every text as a text."""

    def __init__(self, path: Path, language: str, time_zone: str) -> None:
        options = {"constant_memory": True, "tmpdir": str(path.parent), "use_zip64": True}
        self._workbook = Workbook(str(path), options)
        self._zone = ZoneInfo(time_zone)
        self._date = self._workbook.add_format({"num_format": "yyyy-mm-dd"})
        self._moment = self._workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheet = self._workbook.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        for number, column in enumerate(COLUMNS):
            self._sheet.set_column(number, number, column.width)
        heading = self._workbook.add_format({"bold": True})
        for number, column in enumerate(COLUMNS):
            zone = f" ({time_zone})" if column.has_moments else ""
            self._sheet.write_string(0, number, translate(column.heading, language) + zone, heading)
        self._row = 0

    def write(self, task: NamedTask) -> None:
        self._row += 1
        for number, cell in enumerate(cells_of(task)):
            self._write(number, cell)

    def _write(self, number: int, cell: Cell) -> None:
        # Each kind by its own method: the one for any kind would make formulas and links of texts.
        if cell is None or cell == "":
            return
        if isinstance(cell, datetime):
            local = cell.astimezone(self._zone).replace(tzinfo=None)
            self._sheet.write_datetime(self._row, number, local, self._moment)
        elif isinstance(cell, date) and cell >= FIRST_DATE:
            self._sheet.write_datetime(self._row, number, cell, self._date)
        elif isinstance(cell, int | float):
            self._sheet.write_number(self._row, number, cell)
        else:
            self._sheet.write_string(self._row, number, spreadsheet_text(str(cell)))

    def finish(self) -> None:
        # It copies all rows, and packs them.
        run_long_in_thread(self._workbook.close)

    def close(self) -> None:
        # The rows wait in a file beside, which is there until the workbook is finished.
        self._sheet.row_data_fh.close()
        with suppress(FileNotFoundError):
            Path(self._sheet.row_data_filename).unlink()


WRITERS: dict[str, type[CsvWriter | JsonWriter | WorkbookWriter]] = {
    "csv": CsvWriter,
    "xlsx": WorkbookWriter,
    "json": JsonWriter,
}


def text_of(cell: Cell) -> str:
    """Return a cell as CSV has it: times in UTC, and an apostrophe before what a spreadsheet may take for a formula."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return clock.to_wire(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, str):
        return guarded(cell)
    return str(cell)


def spreadsheet_text(text: str) -> str:
    """Return ``text`` as a cell of a workbook can hold it: one that is too long is cut, and ends with an ellipsis."""
    if len(text) > LONGEST_CELL // 2 and len(text.encode("utf-16-le")) // 2 > LONGEST_CELL:
        text = text.encode("utf-16-le")[: (LONGEST_CELL - 1) * 2].decode("utf-16-le", "ignore") + "…"
    # XlsxWriter would take this for formatted text, and write it as it is.
    if text.startswith("<r>") and text.endswith("</r>"):
        text += " "
    return text.translate(_NOT_IN_XML) if "\ufffe" in text or "\uffff" in text else text
