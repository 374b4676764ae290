"""From a request's files to a case: staged under own names, assigned, checked, then kept."""

import contextlib
import os
import re
import shutil
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flask import Flask, Request, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.utils import cached_property

from app.config import settings
from app.errors import BadRequest, TooLarge, TooSlow, UnsupportedType
from app.intake import zip_archive
from app.store import cases
from app.store.models import StoredCase, db
from app.web import quotas
from model.errors import CaseError
from model.io.case import check_start, load_case
from model.io.modalities import MODALITIES, SUFFIX, TITLES, find_modalities, guess_modality
from model.phantom import write_demo_case

FILES_PART = "files"
DEMO_NAME = "Synthetic demo case"
# More than its files take on the disk.
DEMO_BYTES = 64 * 2**20
# Longest name that is shown; long ones lose their middle, since modalities stand at the end.
SHOWN_LENGTH = 120

# A check holds four volumes in memory: one at a time, however many threads serve.
_one_check_at_a_time = threading.Lock()


class StagedRequest(Request):
    """A request whose uploaded files go straight into a folder of its own under the data folder.

    So scans touch no other place of the disk, and moving them into a case copies nothing.
    """

    @cached_property
    def staging(self) -> Path:
        return cases.new_staging_folder()

    @cached_property
    def streams(self) -> list[IO[bytes]]:
        return []

    def _get_file_stream(self, *args, **kwargs) -> IO[bytes]:
        # Whoever signs in, for one, sends none.
        if not quotas.may_stage():
            raise UnsupportedType("No file is taken here.", "Send the fields of the form alone.")
        path = self.staging / f"part-{len(self.streams)}"
        self.streams.append(path.open("w+b"))
        return self.streams[-1]


@dataclass(frozen=True)
class Received:
    """One file: the name that its owner knows, cleaned for showing, and where it lies."""

    name: str
    path: Path
    # Where it lay at its owner's: folders may tell sequences apart.
    folder: str = ""
    # The zip that it is still packed in, and its place there: then `path` is where it will lie.
    zipped: "Received | None" = None
    place: int = 0

    @property
    def placed(self) -> str:
        """Its name in its folder."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


def init_app(app: Flask) -> None:
    """Stage the uploads of every request, and remove what is left when it ends."""
    app.request_class = StagedRequest

    @app.teardown_request
    def remove_staging(_: BaseException | None) -> None:
        # Also those of an upload that broke off, which Werkzeug would leave open.
        for stream in request.streams:
            # What a full disk did not take is of no use any more.
            with contextlib.suppress(OSError):
                stream.close()
        if "staging" in request.__dict__:
            shutil.rmtree(request.staging, ignore_errors=True)


def accept() -> StoredCase:
    """Turn the current request's files into a queued case.

    Raises CaseError or RequestError before anything is kept.
    """
    if request.mimetype != "multipart/form-data":
        raise UnsupportedType(
            "Scans are uploaded as multipart/form-data.",
            f"Send parts named {', '.join(MODALITIES)}, or any number named {FILES_PART}.",
        )
    _require_capacity()
    quotas.require_room_for_body()
    body_too_large = TooLarge(
        f"The upload is larger than {settings().max_upload_mb} MB.",
        "Compress the scans as .nii.gz, and upload one patient at a time.",
    )
    with reading(body_too_large, "Upload only the scans of one patient."):
        named, loose = _received_parts()
    _refuse_text()
    if not named and not loose:
        raise BadRequest("No file was sent.", "Choose the scans of one patient.", "no_files")
    _refuse_zips(named)
    files = assign(named, _with_contents(loose))
    _unpack(files)
    return keep_checked(files, request.form.get("name", ""))


@contextlib.contextmanager
def reading(body_too_large: TooLarge, hint: str) -> Iterator[None]:
    """Read the form of the current request: what is over a limit or too slow is told as such.

    A client may take minutes: no connection to the database is kept meanwhile.


    body_too_large : raised for a body that says at once that it is longer than is allowed
    hint : for a form that turns out to be over a limit
    """
    db.session.rollback()
    try:
        yield
    except RequestEntityTooLarge as error:
        wanted, most = settings(), request.max_content_length
        if (request.content_length or 0) > most:
            raise body_too_large from error
        raise TooLarge(
            f"The form has more than {wanted.max_parts:,} parts, a text field of more than "
            f"{wanted.max_field_kb} KB, or more than {most / 2**20:.0f} MB.",
            hint,
            "form_too_large",
        ) from error
    except ClientDisconnected as error:
        # gunicorn_worker.py gives up waiting; Werkzeug knows only that nothing more comes.
        if isinstance(error.__context__, TimeoutError):
            raise TooSlow("The upload came too slowly.", "Try again, or closer to it.") from error
        raise


def accept_demo() -> StoredCase:
    """Make the synthetic case and queue it."""
    _require_capacity()
    quotas.require_room(DEMO_BYTES)
    paths = write_demo_case(request.staging)
    files = {modality: Received(path.name, path) for modality, path in paths.items()}
    return keep_checked(files, DEMO_NAME)


def keep_checked(files: dict[str, Received], name: str) -> StoredCase:
    """Read the scans to their ends and, if they are a case, keep them as a queued one."""
    paths = {modality: file.path for modality, file in files.items()}
    names = {modality: file.name for modality, file in files.items()}
    with _one_check_at_a_time:
        # Again: others may have come in while this one was being sent.
        quotas.require_queue()
        load_case(paths, names=names, limits=settings().limits)
        return cases.keep(paths, names, visible(name) or common_name(list(names.values())))


def assign(named: dict[str, Received], loose: list[Received]) -> dict[str, Received]:
    """Choose a file for each modality: those sent under its name, then those that look like it.

    Raises CaseError `missing_modality` or `duplicate_modality`.
    """
    free = [(file.placed, file) for file in loose if guess_modality(file.name) not in named]
    # A modality's own key is recognised as a name, so it can stand for the file sent under it.
    found = find_modalities([*named, *(placed for placed, _ in free)])
    by_name = dict(free) | named
    return {modality: by_name[name] for modality, name in found.items()}


def shown_name(client_name: str) -> str:
    """Return the last part of a client's file name, fit to be shown."""
    return visible(client_name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])


def shown_folder(client_name: str) -> str:
    """Return the folder that a client's file name speaks of, fit to be shown, or an empty string."""
    return shown_name(client_name.replace("\\", "/").rstrip("/").rpartition("/")[0])


def visible(text: str) -> str:
    """Return text without invisible characters, and without its middle where it is too long."""
    shown = "".join(c for c in text if not _is_invisible(c)).strip()
    if len(shown) <= SHOWN_LENGTH:
        return shown
    half = SHOWN_LENGTH // 2
    return f"{shown[:half]}…{shown[-half + 1 :]}"


def _is_invisible(character: str) -> bool:
    """Say whether a character is a control, a mark of direction, or breaks the line."""
    category = unicodedata.category(character)
    return category.startswith("C") or category in ("Zl", "Zp")


def common_name(names: list[str]) -> str:
    """Return the words with which the names of one patient's files begin, or an empty string."""
    stems = [SUFFIX.sub("", name) for name in names]
    # Character by character, which is what is wanted of names; the last word may be cut.
    prefix = os.path.commonprefix(stems)  # noqa: RUF071
    whole = all(re.match(r"$|[ ._-]", stem[len(prefix) :]) for stem in stems)
    words = re.match(r"(.*[^ ._-])" if whole else r"(.*[^ ._-])[ ._-]", prefix)
    return words[1] if words and len(names) > 1 else ""


def _require_capacity() -> None:
    """Refuse the current request while its body is still to come. Raises RequestError."""
    quotas.require_share()
    quotas.require_queue()


def _received_parts() -> tuple[dict[str, Received], list[Received]]:
    """Return the files sent under modalities' names, and those sent as `files`."""
    named: dict[str, Received] = {}
    loose: list[Received] = []
    for part, file in request.files.items(multi=True):
        name = shown_name(file.filename or "")
        # A file input left empty sends a part without a name; macOS puts files about files beside them.
        if not file.filename or name.startswith("."):
            continue
        file.stream.close()
        received = Received(name, Path(file.stream.name), shown_folder(file.filename))
        if part == FILES_PART:
            loose.append(received)
        elif part not in MODALITIES:
            raise BadRequest(
                "A file was sent under an unknown part name.",
                f"Name the parts {', '.join(MODALITIES)} or {FILES_PART}.",
                "unknown_part",
            )
        elif part in named:
            raise CaseError(
                "duplicate_modality",
                f"Two files were sent as {TITLES[part]}.",
                "Keep one of them.",
                received.name,
            )
        else:
            named[part] = received
    return named, loose


def _refuse_text() -> None:
    """Refuse text where a file belongs: a scan would be left out without a word."""
    for part in (*MODALITIES, FILES_PART):
        if any(request.form.getlist(part)):
            raise BadRequest(
                f"What was sent as {part} is text, not a file.",
                f"Send a file; with curl: -F {part}=@FILE.",
            )


def _refuse_zips(named: dict[str, Received]) -> None:
    for modality, file in named.items():
        if zip_archive.is_zip(file.path):
            raise CaseError(
                "not_nifti",
                f"What was sent as {TITLES[modality]} is a zip.",
                f"Send a zip of the whole case as {FILES_PART}, or the scan itself as {modality}.",
                file.name,
            )


def _with_contents(files: list[Received]) -> list[Received]:
    """Replace each zip by the scans in it, which stay packed."""
    left = settings().max_unpacked_mb * 2**20
    result: list[Received] = []
    for file in files:
        if not zip_archive.is_zip(file.path):
            result.append(file)
            continue
        folder = file.path.with_name(file.path.name + "-unpacked")
        for place, (name, size) in enumerate(zip_archive.contents(file.path, file.name, left)):
            left -= size
            unpacked = folder / str(place)
            result.append(Received(shown_name(name), unpacked, shown_folder(name), file, place))
    return result


def _unpack(files: dict[str, Received]) -> None:
    """Unpack what was chosen out of zips, and nothing else."""
    for zipped in {file.zipped for file in files.values() if file.zipped}:
        chosen = {file.place: file for file in files.values() if file.zipped == zipped}
        zip_archive.unpack(
            zipped.path,
            zipped.name,
            min(file.path.parent for file in chosen.values()),
            settings().max_unpacked_mb * 2**20,
            chosen,
            quotas.require_room,
            _check_packed,
        )


def _check_packed(name: str, size_bytes: int, start: bytes) -> None:
    """Refuse what cannot be a scan before it is unpacked. Raises CaseError."""
    try:
        check_start(start, size_bytes, settings().limits)
    except CaseError as error:
        error.file = shown_name(name)
        raise
