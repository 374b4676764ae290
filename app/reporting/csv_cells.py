"""Tables as CSV that no spreadsheet takes for formulas, whatever it takes for the separator."""

import csv
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TextIO

# Where a formula can begin: in front of a cell, and after what some spreadsheet ends a cell with,
# since one that does not separate by commas sees no quotation marks here.
FORMULA = re.compile(r"""(?:^|(?<=[,;\t\r\n]))(?=["']*[=+\-@＝＋－＠\t\r])""")


def rounded(number: float, digits: int) -> Decimal:
    """Return a number as it is to be written, with so many digits after the point."""
    return Decimal(f"{number:.{digits}f}")


def write_rows(file: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows, separated by commas. Text is quoted, numbers are not."""
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:
    """Return a value; what looks like a formula in text gets an apostrophe in front."""
    return FORMULA.sub("'", value) if isinstance(value, str) else value
