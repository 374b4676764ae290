"""What compressed pixels say of their own size, before a decoder believes it.

A decoder allocates what the compressed picture claims, not what the DICOM header does: a file of 100 kB could
claim 30,000 x 30,000 pixels. Compressed pixels are a sequence of items (DICOM PS3.5 A.4); JPEG and JPEG-LS have the size
in their frame header (ITU T.81 B.2.2, T.87 C.2.2), JPEG 2000 in its SIZ marker (T.800 A.5.1).
"""

import io
import struct
from pathlib import Path

RLE = "1.2.840.10008.1.2.5"
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_JPEG, _J2K = b"\xff\xd8\xff", b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
# Markers of a JPEG that begin a frame: all from C0 to CF but those of tables, and that of JPEG-LS.
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
# A frame header stands within the first bytes of a picture, after comments and tables.
_MOST_BYTES = 2**18
Size = tuple[int, int, int]


def sizes(path: Path, offset: int) -> set[Size | None]:
    """Return the sizes (columns, rows, components) that the pictures in a file claim.

    offset : where the first item begins. None among the sizes stands for a picture that does not say it, or for pixels
    that do not begin with a picture.
    """
    found: set[Size | None] = set()
    with path.open("rb") as file:
        file.seek(offset)
        # The first item is the table of offsets, which may be empty.
        for place, start in enumerate(_items(file)):
            if place == 0:
                continue
            if start.startswith((_JPEG, _J2K, _JP2)):
                found.add(_size(start))
            elif not found:
                found.add(None)
    return found


def _items(file: io.BufferedReader):
    """Yield the first bytes of each item."""
    while (head := file.read(8))[:4] == _ITEM:
        length = struct.unpack("<I", head[4:])[0]
        here = file.tell()
        yield file.read(min(length, _MOST_BYTES))
        file.seek(here + length)


def _size(start: bytes) -> Size | None:
    return _jpeg_size(start) if start.startswith(_JPEG) else _j2k_size(start)


def _jpeg_size(start: bytes) -> Size | None:
    at = 2
    while at + 10 <= len(start) and start[at] == 0xFF:
        marker = start[at + 1]
        if marker in _FRAMES:
            rows, columns, components = struct.unpack(">HHB", start[at + 5 : at + 10])
            return columns, rows, components
        at += 1 if marker == 0xFF else 2 + struct.unpack(">H", start[at + 2 : at + 4])[0]
    return None


def _j2k_size(start: bytes) -> Size | None:
    at = start.find(_J2K)
    if at < 0 or len(start) < at + 42:
        return None
    # After SOC, the marker, its length and capabilities: size and origin of the picture.
    right, bottom, left, top = struct.unpack(">4I", start[at + 8 : at + 24])
    components = struct.unpack(">H", start[at + 40 : at + 42])[0]
    return right - left, bottom - top, components
