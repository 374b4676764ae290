"""Uploads: the files of a request are staged, assigned to sequences, checked, then kept as a case."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, get_args

from flask import Flask, Request, current_app, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.utils import cached_property

from app.config import settings
from app.errors import BadRequest, RequestError, TooLarge, TooSlow, UnsupportedType
from app.intake import four_in_one, zip_archive
from app.intake.checked import check_scans, one_at_a_time
from app.intake.files import (
    Assigned,
    ScanFile,
    assign,
    common_name,
    names_of,
    paths_of,
    shown_folder,
    shown_name,
    visible,
)
from app.jobs import metrics
from app.jobs.queue_runner import queue_runner
from app.store import cases
from app.store.data_folder import new_staging_folder
from app.store.models import StoredCase, db
from app.web import quotas, study_uploads
from model.errors import CaseError
from model.io.case import check_start
from model.io.modalities import MODALITIES, TITLES
from model.phantom import write_demo_case
from model.preparation.plan import Mode, Options

FILES_PART = "files"
DEMO_NAME = "Synthetic demo case"
# More than its files take on the disk.
DEMO_BYTES = 64 * 2**20


class StagedRequest(Request):
    """A request whose uploaded files go straight into a folder of its own under the data folder.

    So scans touch no other place of the disk, and moving them into a case copies nothing.
    """

    @cached_property
    def staging(self) -> Path:
        return new_staging_folder()

    @cached_property
    def streams(self) -> list[IO[bytes]]:
        return []

    def _get_file_stream(self, *args, **kwargs) -> IO[bytes]:
        # The login form, for one, has no files.
        if not quotas.may_stage():
            raise UnsupportedType("No file is taken here.", "Send the fields of the form alone.")
        # The part before has come completely: thousands of files of a study must not be open at once.
        if self.streams:
            self.streams[-1].close()
        path = self.staging / f"part-{len(self.streams)}"
        self.streams.append(path.open("w+b"))
        return self.streams[-1]


def init_app(app: Flask) -> None:
    """Stage the uploads of every request, and remove what is left when it ends."""
    app.request_class = StagedRequest

    @app.teardown_request
    def remove_staging(_: BaseException | None) -> None:
        # Werkzeug leaves the files of an interrupted upload open.
        for stream in request.streams:
            # Closing writes the rest, which fails on a full disk; the file is deleted anyway.
            with contextlib.suppress(OSError):
                stream.close()
        if "staging" in request.__dict__:
            shutil.rmtree(request.staging, ignore_errors=True)


def queue_case(accept: Callable[[], StoredCase]) -> StoredCase:
    """Take in a case by `accept`, one of the functions below; refusals are counted."""
    try:
        case = accept()
    except (CaseError, RequestError) as error:
        metrics.upload_refused(current_app, error.code)
        raise
    queue_runner(current_app).notify()
    return case


def queue_confirmed(case: StoredCase, wanted: Mapping[str, str]) -> None:
    """Queue a case with the series that a person wants; see `study_uploads.confirm`, also for errors."""

    def confirmed() -> StoredCase:
        study_uploads.confirm(case, wanted)
        return case

    queue_case(confirmed)


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
    quotas.reserve_disk_for_body()
    body_too_large = TooLarge(
        f"The upload is larger than {settings().max_upload_mb} MB.",
        "Compress the scans as .nii.gz, and upload one patient at a time.",
    )
    with reading(body_too_large, "Upload only the scans of one patient."):
        named, loose = _received_parts()
    _refuse_text()
    if not named and not loose:
        raise BadRequest("No file was sent.", "Choose the scans of one patient.", "no_files")
    options = Options(mode=wanted_mode())
    with one_at_a_time:
        study = study_uploads.gathered(named, loose, request.staging)
        if study:
            return study_uploads.accept(study, options)
        four = four_in_one.the_only_file(named, loose)
        if four and study_uploads.wants_confirmation():
            return study_uploads.accept_four(four, options)
        _refuse_zips(named)
        found = assign(named, _with_contents(loose))
        _unpack(found.files)
        return keep_checked(found, request.form.get("name", ""), options)


def wanted_mode() -> Mode:
    """Return the form's field `prepare`, or the setting where it is left out. Raises BadRequest."""
    mode = request.form.get("prepare") or settings().prepare
    if mode not in get_args(Mode):
        raise BadRequest(f"prepare is one of {', '.join(get_args(Mode))}.", code="bad_parameter")
    return mode


@contextlib.contextmanager
def reading(body_too_large: TooLarge, hint: str) -> Iterator[None]:
    """Read the form of the current request; what is over a limit or too slow raises RequestError.

    A client may take minutes: no connection to the database is kept meanwhile.

    body_too_large : raised where the header gives a length over the limit
    hint : of the error for a form that turns out to be over a limit
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
        # gunicorn_worker.py stopped waiting; Werkzeug only sees that the body is incomplete.
        if isinstance(error.__context__, TimeoutError):
            raise TooSlow("The upload came too slowly.", "Try again, or closer to it.") from error
        raise


def accept_demo() -> StoredCase:
    """Make the synthetic case and queue it."""
    _require_capacity()
    quotas.reserve_disk(DEMO_BYTES)
    paths = write_demo_case(request.staging)
    files = {modality: ScanFile(path.name, path) for modality, path in paths.items()}
    with one_at_a_time:
        return keep_checked(Assigned(files), DEMO_NAME, Options())


def keep_checked(found: Assigned, name: str, options: Options) -> StoredCase:
    """Read and check the scans completely, then keep them as a queued case.

    To be called with `one_at_a_time` held.
    """
    files = found.files
    paths, names = paths_of(files), names_of(files)
    # Again: other cases may have been queued while this one was being sent.
    quotas.check_queue_length()
    check_scans(files, options.mode, settings().limits)
    shown = visible(name) or common_name(list(names.values()))
    return cases.keep(paths, names, shown, options, warnings=found.warnings)


def _require_capacity() -> None:
    """Check limits before the body of the request is read. Raises RequestError."""
    quotas.check_rate_limit()
    quotas.check_queue_length()


def _received_parts() -> tuple[dict[str, ScanFile], list[ScanFile]]:
    """Return the files sent under modalities' names, and those sent as `files`."""
    named: dict[str, ScanFile] = {}
    loose: list[ScanFile] = []
    for part, file in request.files.items(multi=True):
        name = shown_name(file.filename or "")
        # An empty file input sends a part without a name; macOS adds hidden files with metadata.
        if not file.filename or name.startswith("."):
            continue
        file.stream.close()
        received = ScanFile(name, Path(file.stream.name), shown_folder(file.filename))
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
    """Refuse text where a file belongs: otherwise a scan would be ignored silently."""
    for part in (*MODALITIES, FILES_PART):
        if any(request.form.getlist(part)):
            raise BadRequest(
                f"What was sent as {part} is text, not a file.",
                f"Send a file; with curl: -F {part}=@FILE.",
            )


def _refuse_zips(named: dict[str, ScanFile]) -> None:
    for modality, file in named.items():
        if zip_archive.is_zip(file.path):
            raise CaseError(
                "not_nifti",
                f"What was sent as {TITLES[modality]} is a zip.",
                f"Send a zip of the whole case as {FILES_PART}, or the scan itself as {modality}.",
                file.name,
            )


def _with_contents(files: list[ScanFile]) -> list[ScanFile]:
    """Replace each zip by entries for the scans in it, which stay packed."""
    left = settings().max_unpacked_mb * 2**20
    result: list[ScanFile] = []
    for file in files:
        if not zip_archive.is_zip(file.path):
            result.append(file)
            continue
        folder = file.path.with_name(file.path.name + "-unpacked")
        for place, (name, size) in enumerate(zip_archive.contents(file.path, file.name, left)):
            left -= size
            unpacked = folder / str(place)
            result.append(ScanFile(shown_name(name), unpacked, shown_folder(name), file, place))
    return result


def _unpack(files: dict[str, ScanFile]) -> None:
    """Unpack the chosen scans from their zips, and nothing else."""
    for zipped in {file.zipped for file in files.values() if file.zipped}:
        chosen = {file.place: file for file in files.values() if file.zipped == zipped}
        zip_archive.unpack(
            zipped.path,
            zipped.name,
            min(file.path.parent for file in chosen.values()),
            settings().max_unpacked_mb * 2**20,
            chosen,
            quotas.reserve_disk,
            _check_packed,
        )


def _check_packed(name: str, size_bytes: int, start: bytes) -> None:
    """Refuse what cannot be a scan before it is unpacked. Raises CaseError."""
    try:
        check_start(start, size_bytes, settings().limits)
    except CaseError as error:
        error.file = shown_name(name)
        raise
