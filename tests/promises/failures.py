"""What is promised when processes, workers, the database, the disk or memory fail."""

from tests.promises.row import Section, rows

KILLED_STEPS = {
    "nothing of it remains; it was never accepted": (
        "upload: staged",
        "upload: half moved",
        "upload: moved",
    ),
    "done after a restart; nothing half written is served": (
        "upload: kept",
        "run: taken",
        "run: in a batch",
        "run: writing the mask",
        "run: writing volumes",
        "run: moving results",
        "run: results moved",
        "run: written down",
    ),
    "the version was never accepted; its folder is removed at the next start": (
        "correction: moved",
    ),
}

CRASHES = Section(
    "Crashes and restarts",
    "",
    [
        *rows(
            "tests/app/jobs/test_crashes.py",
            *(
                (f"SIGKILL, {step}", answer, f"test_killed_anywhere[{step}]")
                for answer, steps in KILLED_STEPS.items()
                for step in steps
            ),
            (
                "A case that kills the process",
                "failed with `gave_up` and advice after three attempts; other cases go first",
                "test_a_poison_case_is_given_up_and_blocks_no_other[die]",
            ),
            (
                "A case that hangs",
                "the process ends after `BTS_CASE_LIMIT_S` without progress, gunicorn starts another; "
                "after three attempts `gave_up`",
                "test_a_poison_case_is_given_up_and_blocks_no_other[hang]",
            ),
            (
                "SIGTERM",
                "uploads that are being sent are taken, the case in work goes back to the queue, the "
                "process ends within 30 s",
                "test_sigterm_drains_and_hands_back",
            ),
            (
                "A second process on one data folder, without a broker",
                "refused at start",
                "test_a_second_server_is_refused_at_once",
            ),
        ),
        *rows(
            "tests/app/jobs/test_embedded_worker.py",
            (
                "A case without progress for half of `BTS_CASE_LIMIT_S`",
                "503 at `/readyz`",
                "test_readyz_tells_of_a_case_without_progress",
            ),
        ),
        *rows(
            "tests/app/web/test_error_handlers.py",
            (
                "A bug in the app",
                "500 `internal_error` without details, a traceback in the log",
                "test_bugs_are_logged_and_not_shown",
            ),
        ),
    ],
)

WORKERS = Section(
    "Workers and broker",
    "",
    [
        *rows(
            "tests/scale/test_fleet.py",
            (
                "SIGKILL of a worker",
                "another worker does the case",
                "test_a_killed_worker_loses_nothing",
            ),
            (
                "SIGTERM of a worker",
                "it hands its case back; the attempt does not count",
                "test_a_worker_that_is_asked_to_end_hands_its_case_back",
            ),
            (
                "SIGKILL of the web process, with workers",
                "nothing is lost; the workers go on",
                "test_a_restart_of_the_web_process_loses_nothing",
            ),
        ),
        *rows(
            "tests/app/jobs/test_dispatcher.py",
            (
                "A case that kills workers",
                "failed with `gave_up` and advice after three attempts",
                "test_a_message_that_comes_back_is_worked_on_three_times",
            ),
            (
                "A case that takes longer than `BTS_CASE_LIMIT_S` on a worker",
                "tried three times, then `took_too_long`",
                "test_a_case_that_takes_too_long_is_tried_three_times",
            ),
            (
                "Two workers on one case",
                "the later attempt counts; the earlier one changes nothing",
                "test_a_run_that_was_given_up_by_others_changes_nothing",
            ),
            (
                "A message that comes twice, or is out of date",
                "dropped",
                "test_only_the_last_message_counts_and_only_once",
            ),
            (
                "The broker is away",
                "uploads are taken, and sent to the workers when it is back",
                "test_uploads_need_no_broker",
            ),
            (
                "The broker loses messages",
                "they are sent again",
                "test_lost_messages_are_sent_again",
            ),
        ),
        *rows(
            "tests/app/jobs/test_celery_worker.py",
            (
                "A worker that hangs",
                "its process ends, and the case is tried again",
                "test_what_hangs_ends_with_its_process",
            ),
        ),
    ],
)

DATABASE = Section(
    "Database",
    "",
    [
        *rows(
            "tests/app/web/test_database_away.py",
            (
                "The database is away",
                "503 `database_busy` with `Retry-After`",
                "test_calls_are_asked_to_come_later",
            ),
            (
                "The database is away, and `/readyz` is asked",
                "503 with the reason",
                "test_readiness_gives_the_reason",
            ),
            (
                "The database is away, and the client has no right to enter",
                "the client is still not let in",
                "test_the_rules_of_access_stay",
            ),
            (
                "The database is away at each of three attempts to write results",
                "the case fails with `database_busy` and advice",
                "test_after_three_attempts_it_says_what_to_do",
            ),
            (
                "The database is away when a case ends",
                "the case is tried again when it is back",
                "test_a_database_that_is_away_when_a_case_ends",
            ),
        ),
        *rows(
            "tests/app/commands/test_batch_remote.py",
            (
                "The database is away during `flask segment` with workers",
                "the command waits for it",
                "test_tidying_up_waits_for_a_database_that_is_away",
            ),
        ),
        *rows(
            "tests/app/test_privacy.py",
            (
                "The database stays locked",
                "503 `database_busy` with `Retry-After`; nothing of the upload in the log",
                "test_a_locked_database_names_nobody",
            ),
        ),
        *rows(
            "tests/app/store/test_data_folder.py",
            (
                "A damaged database",
                "refused at start, with advice",
                "test_a_damaged_database_is_refused_at_start[flipped bytes]",
            ),
        ),
        *rows(
            "tests/app/store/test_migrations.py",
            (
                "A database of an earlier version",
                "migrated, nothing is lost",
                "test_databases_from_before_migrations_are_taken_over",
            ),
        ),
    ],
)

DISK = Section(
    "Disk and memory",
    "",
    [
        *rows(
            "tests/app/web/test_full_disk.py",
            (
                "Disk full at any write of an upload",
                "507 `disk_full`, nothing is kept",
                "test_upload_without_room_at_any_write[files]",
            ),
            (
                "Disk full at any write of a zip",
                "507 `disk_full`, nothing is kept",
                "test_upload_without_room_at_any_write[zip]",
            ),
            (
                "Disk full at any write of results",
                "the case waits and is tried again",
                "test_case_without_room_at_any_write",
            ),
            (
                "Disk still full at the third attempt",
                "the case fails with `disk_full` and advice",
                "test_after_three_attempts_it_says_what_to_do",
            ),
            (
                "Disk full at any write of a mask, a deletion or a purge",
                "all of it is done or nothing; deleting needs no space",
                "test_changes_without_room_at_any_write",
            ),
            (
                "No space for the database",
                "507; the service stays up, rows and folders agree",
                "test_database_without_room",
            ),
            (
                "A disk that is really full (this test needs root)",
                "507; the service stays up, rows and folders agree",
                "test_really_full_disk",
            ),
            (
                "Too little memory for a case",
                "tried three times, then `out_of_memory`",
                "test_too_little_memory_is_tried_again",
            ),
        ),
        *rows(
            "tests/app/web/test_full_disk.py",
            (
                "A deletion on a disk that is full to the last byte (this test needs root)",
                "the case is deleted: its files first, and its row as soon as there is room",
                "test_cases_can_be_deleted_on_a_disk_full_to_the_last_byte",
            ),
        ),
        *rows(
            "tests/app/web/test_memory_bound.py",
            (
                "Eight clients that read whole volumes at once",
                "as many at a time as `BTS_MAX_HEAVY_MB` holds; the others wait",
                "test_eight_whole_volumes_at_once",
            ),
        ),
        *rows(
            "tests/app/test_memory.py",
            (
                "Others use the memory for a minute",
                "503 `busy` with `Retry-After`",
                "test_who_waits_too_long_is_told_to_come_back",
            ),
        ),
    ],
)
