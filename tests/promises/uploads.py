"""What is promised about uploads: files, names and limits."""

from tests.app.web.hazards import HAZARDS
from tests.promises.row import Section, rows

UPLOADS = Section(
    "Uploads",
    "Each of these is refused in under 2 s, before anything is kept; only the one with the most voxels "
    "may take 3 s. All of them run in one process whose address space may grow by 1.5 GB. The files are "
    "built by `tests/model/io/malformed.py` and `tests/app/web/hazards.py`. The status that goes with "
    "each code is in [errors.md](errors.md).",
    rows(
        "tests/app/web/test_hazards.py",
        *(
            (name, f"`{code}`", f"test_refused_before_anything_is_kept[{name}]")
            for name, (_, code) in HAZARDS.items()
        ),
    ),
)

NAMES = Section(
    "File names, and random input",
    "`make fuzz` goes further with the reader, the unpacking of zips and the names, guided by coverage.",
    [
        *rows(
            "tests/app/web/test_hazards.py",
            *(
                (hazard, answer, f"test_names_are_cleaned_and_never_become_paths[{name}]")
                for hazard, answer, name in (
                    (
                        "A name with `../`",
                        "shown without its path, and never used as a path",
                        "climbing",
                    ),
                    ("A name with NUL", "the NUL is left out", "NUL"),
                    (
                        "A name that changes the direction of writing",
                        "the character is left out",
                        "right to left",
                    ),
                    (
                        "A name of 4,000 characters",
                        "shortened to 120, with its beginning and its end",
                        "4,000 characters",
                    ),
                    ("A name with markup", "escaped wherever it is shown", "markup"),
                )
            ),
        ),
        *rows(
            "tests/model/io/test_nifti_property.py",
            ("Any header", "a finite volume or a documented code", "test_any_header"),
            (
                "Any damage to a gzip",
                "a finite volume or a documented code",
                "test_any_damage_to_a_gzip",
            ),
        ),
        *rows(
            "tests/app/web/test_uploads_property.py",
            (
                "Any damage to a zip",
                "scans within the limits, or a `zip_...` code",
                "test_any_damage_to_a_zip",
            ),
            (
                "Any file names",
                "assigned to sequences or refused",
                "test_any_names_are_assigned_or_refused",
            ),
        ),
        *rows(
            "tests/app/web/test_openapi_fuzz.py",
            (
                "Any call of the REST service",
                "no 5xx but the documented 503 and 507",
                "test_no_call_ends_in_a_fault[negative]",
            ),
        ),
    ],
)

LIMITS = Section(
    "Limits",
    "",
    [
        *rows(
            "tests/app/web/test_uploads.py",
            (
                "A body over `BTS_MAX_UPLOAD_MB`",
                "413 `upload_too_large`",
                "test_too_many_bytes",
            ),
            ("More voxels than `BTS_MAX_VOXELS`", "413 `too_large`", "test_too_many_voxels"),
        ),
        *rows(
            "tests/model/io/test_nifti.py",
            (
                "More voxels than that after resampling to 1 mm",
                "413 `too_large`",
                "test_a_small_file_of_a_vast_scan_is_refused",
            ),
        ),
        *rows(
            "tests/model/test_preprocess.py",
            (
                "More than 8 litres that are not background",
                "the case fails with `no_brain`",
                "test_a_head_as_large_as_none_is_an_error",
            ),
        ),
        *rows(
            "tests/model/preparation/test_native.py",
            (
                "Scans in which no brain is found, such as a leg's",
                "the case fails with `no_brain`",
                "test_a_volume_without_a_brain_is_refused",
            ),
            (
                "Scans whose brains do not fit on each other",
                "the case fails with `registration_failed`",
                "test_scans_that_do_not_belong_together_are_refused",
            ),
            (
                "A field of view that cuts the brain",
                "the warning `field_of_view`",
                "test_a_field_of_view_that_cuts_the_brain_is_told",
            ),
        ),
        *rows(
            "tests/app/web/test_quotas.py",
            ("More parts than `BTS_MAX_PARTS`", "413 `form_too_large`", "test_parts"),
            ("Text fields over `BTS_MAX_FIELD_KB`", "413 `form_too_large`", "test_text_fields"),
            (
                "More waiting cases than `BTS_MAX_QUEUED`",
                "503 `queue_full` with `Retry-After`",
                "test_queue",
            ),
            (
                "More uploads than `BTS_CASES_PER_HOUR`",
                "429 `too_many_cases` with `Retry-After`",
                "test_cases_per_hour_and_client",
            ),
            (
                "Less disk than `BTS_DISK_RESERVE_MB`",
                "507 `disk_full`, before the body is read or a zip is unpacked",
                "test_reserve_of_the_disk",
            ),
            (
                "A body of unknown length",
                "counted as `BTS_MAX_UPLOAD_MB`",
                "test_a_body_of_unknown_length_counts_as_the_largest",
            ),
            (
                "Several uploads at once, with disk space for one",
                "space is reserved for each before it is read",
                "test_uploads_at_once_share_the_room",
            ),
            (
                "Several uploads at once, with one place left in the queue",
                "the queue is counted again before one is kept",
                "test_uploads_at_once_do_not_pass_the_queue_together",
            ),
            (
                "Files or long forms sent to the login",
                "415 and 413; nothing is written to the disk",
                "test_signing_in_takes_no_files_and_little_text",
            ),
            (
                "Clients without access that announce long bodies and send them slowly",
                "answered without reading the body; others are served",
                "test_strangers_that_drip_keep_nobody_out[long]",
            ),
            (
                "The same in chunks, without a length",
                "answered without reading the body; others are served",
                "test_strangers_that_drip_keep_nobody_out[chunked]",
            ),
            (
                "The same with an upload form",
                "answered without reading the body; others are served",
                "test_strangers_that_drip_keep_nobody_out[upload]",
            ),
            (
                "A client that stops sending",
                "closed after `BTS_CLIENT_TIMEOUT_S`, 408 `client_too_slow`",
                "test_slow_clients_time_out[silent body]",
            ),
            (
                "A client that sends very slowly",
                "closed below `BTS_MIN_CLIENT_KB_S`",
                "test_slow_clients_time_out[dripping body]",
            ),
            (
                "More slow clients than threads",
                "others are served",
                "test_more_slow_clients_than_threads_keep_nobody_out",
            ),
        ),
    ],
)
