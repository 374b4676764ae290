"""What is promised about the DICOM node: who may send, and that nothing is lost or doubled on the way."""

from tests.promises.row import Section, rows

FOLDER = "tests/app/dicom_node"
ONCE = "one case, and its results in the archive once"
KILLED_STEPS = {
    "what was not confirmed is sent again; then one case": (
        "receive: written",
        "receive: folder made",
        "receive: not confirmed",
        "receive: half",
    ),
    ONCE: (
        "case: begun",
        "case: scans written",
        "case: scans moved",
        "case: kept",
        "case: half removed",
        "send: taken",
        "send: half",
        "send: given",
    ),
}

NODE = Section(
    "DICOM node",
    "What is being received is bounded: one object, and all that arrive at the same time together, by four bytes for "
    "each of `BTS_MAX_VOXELS` and 64 MiB of header.",
    [
        *rows(
            f"{FOLDER}/test_receiver.py",
            (
                "A connection from an address that `BTS_DICOM_PEERS` does not have",
                "closed before anything is read",
                "test_others_are_refused[peers1]",
            ),
            (
                "An AE title that `BTS_DICOM_PEERS` does not have",
                "the association is rejected",
                "test_others_are_refused[peers0]",
            ),
            (
                "A known AE title from the address of another peer",
                "the association is rejected",
                "test_a_title_has_to_come_from_its_own_address",
            ),
            (
                "A disk with less than `BTS_DISK_RESERVE_MB`",
                "status A700; nothing is kept",
                "test_a_disk_that_is_nearly_full",
            ),
            (
                "A disk that is full while an object is written",
                "status A700; nothing of it is kept",
                "test_a_disk_that_is_full",
            ),
            (
                "An object larger than any image",
                "dropped while it arrives, status A700; the next one is taken",
                "test_objects_that_are_too_large",
            ),
            (
                "A unit of the protocol that claims 4 GB",
                "the connection is closed",
                "test_a_unit_that_claims_gigabytes_is_not_read",
            ),
            (
                "An object whose header cannot be read",
                "status C000; the next one is taken",
                "test_what_cannot_be_read_is_refused",
            ),
            (
                "An object sent twice",
                "counts once",
                "test_what_comes_twice_counts_once",
            ),
            (
                "Identifiers of patients and studies in names of folders and files",
                "none: random words and hashes",
                "test_names_on_the_disk_tell_nothing",
            ),
            (
                "Names and identifiers in the node's log",
                "none",
                "test_a_log_without_patients",
            ),
        ),
        *rows(
            f"{FOLDER}/test_intake.py",
            (
                "A study that cannot be a case: two patients, damaged, contradictory",
                "a failed case with the code, so that somebody sees it",
                "test_what_cannot_be_a_case_is_seen",
            ),
            (
                "A study in which sequences are missing",
                "waits for a person to choose its series",
                "test_missing_sequences_wait_for_a_person",
            ),
            (
                "A study that ends the process each time",
                "a failed case with `gave_up` after three tries",
                "test_a_study_that_ends_the_process_is_given_up",
            ),
            (
                "A disk that is full while a case is made of a study",
                "the study waits, and is tried again",
                "test_a_full_disk_is_waited_for",
            ),
        ),
        *rows(
            f"{FOLDER}/test_crashes.py",
            *(
                (f"SIGKILL, {step}", answer, f"test_killed_anywhere[{step}]")
                for answer, steps in KILLED_STEPS.items()
                for step in steps
            ),
        ),
        *rows(
            f"{FOLDER}/test_orthanc.py",
            (
                "SIGKILL in the middle of a study from a real archive, and again while the case runs",
                ONCE,
                "test_from_the_archive_and_back",
            ),
        ),
        *rows(
            f"{FOLDER}/test_node.py",
            (
                "Several processes on one data folder",
                "one has the port; another takes over when it ends",
                "test_one_process_has_the_port_and_another_takes_over",
            ),
            (
                "A port that another program has",
                "503 at `/readyz` with the reason; tried again",
                "test_a_port_that_is_taken_is_tried_again",
            ),
        ),
        *rows(
            f"{FOLDER}/test_sender.py",
            (
                "An archive that is away",
                "tried again with growing pauses for a day; each attempt is seen in the case",
                "test_an_archive_that_is_away_is_tried_again",
            ),
            (
                "An archive that refuses results",
                "tried again; the case says what it answered",
                "test_what_an_archive_answers_is_told",
            ),
            (
                "Results ordered again",
                "the same objects, which an archive has once",
                "test_sending_again_makes_the_same_objects",
            ),
        ),
    ],
)
