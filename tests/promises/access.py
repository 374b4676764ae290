"""What is promised about access, the browser and patients' data."""

from tests.promises.row import Section, rows

ACCESS = Section(
    "Access",
    "",
    [
        *rows(
            "tests/app/web/test_access.py",
            (
                "Requests from other machines",
                "401 `access_denied` without a token",
                "test_only_this_machine_needs_no_token",
            ),
            (
                "First start on an address that others reach",
                "a link is printed that signs in once, within a day",
                "test_first_start_prints_the_link_once[0.0.0.0]",
            ),
            (
                "Somebody reads the token in the data folder",
                "only its hash is stored, readable by the owner alone",
                "test_the_token_is_stored_hashed_and_private",
            ),
            (
                "Timing of comparisons",
                "takes the same time for right and wrong",
                "test_comparison_takes_constant_time",
            ),
            (
                "Guessing tokens and passwords",
                "429 `too_many_attempts` after 10 failures of an address a minute, 50 an hour, 200 a day",
                "test_failures_have_to_wait[login]",
            ),
            (
                "A token that others have learned",
                "`flask token rotate` makes a new one and ends all sessions",
                "test_rotation_ends_sessions",
            ),
            (
                "A link in the history of a browser or in a log",
                "its code is used up; the token itself is not taken from an address",
                "test_a_link_works_once",
            ),
        ),
        *rows(
            "tests/app/web/test_attempts.py",
            (
                "Many guesses at once",
                "no more are checked than may be wrong; the others get 429 `too_many_attempts`",
                "test_of_many_at_once_no_more_are_checked_than_may_be_wrong[password]",
            ),
            (
                "Guessing a password from many addresses",
                "429 `too_many_attempts` after 20 failures for a name a minute, 100 an hour, 400 a day",
                "test_a_name_is_not_tried_from_many_addresses",
            ),
            (
                "Guessing from many addresses of one IPv6 network",
                "a /64 counts as one address",
                "test_addresses_of_one_client_count_together",
            ),
            (
                "Many logins at once, each of which costs a processor and 32 MB",
                "two at a time; 503 `logins_busy` for whoever waits too long",
                "test_two_passwords_are_compared_at_a_time",
            ),
        ),
        *rows(
            "tests/app/test_config.py",
            (
                "A `BTS_ACCESS_TOKEN` that is easily guessed",
                "refused at start",
                "test_tokens_that_are_easily_guessed_are_refused",
            ),
        ),
        *rows(
            "tests/app/web/test_sessions.py",
            (
                "A cookie as a way to find out the token",
                "it is random, and the database has its hash",
                "test_nothing_in_a_cookie_depends_on_the_token",
            ),
            (
                "A stolen cookie",
                "signing out ends it on the server; the user sees and ends all sessions",
                "test_logging_out_ends_the_session_on_the_server",
            ),
            (
                "Another user's sessions",
                "neither listed nor ended",
                "test_each_user_sees_and_ends_own_sessions",
            ),
        ),
        *rows(
            "tests/app/store/test_data_folder.py",
            (
                "A data folder that other users of the machine can read",
                "the database is readable by its owner alone",
                "test_the_database_is_private_in_an_open_folder",
            ),
        ),
        *rows(
            "tests/app/web/test_headers.py",
            ("A forged cookie", "401 `access_denied`", "test_forged_and_outdated_cookies"),
        ),
        *rows(
            "tests/app/commands/test_accounts.py",
            (
                "Passwords",
                "stored as scrypt hashes; a new one ends the user's sessions",
                "test_passwords_are_hashed_and_a_new_one_ends_sessions",
            ),
            (
                "Another user's case",
                "404 at every address, and absent from lists",
                "test_own_worklists",
            ),
            (
                "A case shared for reading",
                "403 `forbidden` for changes",
                "test_sharing_is_for_reading",
            ),
            (
                "A user's name used again",
                "the new user gets neither cases nor shares of the earlier one",
                "test_a_name_used_again_is_another_person",
            ),
            (
                "The last user is removed, which opens all cases to whoever is at the machine",
                "the command says so",
                "test_removing_the_last_user_says_what_that_opens",
            ),
            (
                "Finding out who has an account, by sharing",
                "204 for every name; a later user of the name gets nothing",
                "test_sharing_does_not_tell_who_exists",
            ),
        ),
        *rows(
            "tests/app/web/test_uploads.py",
            ("Guessing the id of a case", "128 random bits", "test_four_named_parts"),
        ),
    ],
)

WEB = Section(
    "Web",
    "",
    [
        *rows(
            "tests/app/web/test_headers.py",
            (
                "Another site acts through the user's browser",
                "403 `cross_site`, by Fetch Metadata, else by Origin",
                "test_other_sites_cannot_act",
            ),
            (
                "Injected scripts, frames, content sniffing, referrers",
                "security headers on every answer; no inline script",
                "test_headers_on_every_answer",
            ),
            (
                "Copies in caches",
                "`no-store`; volumes, versions of masks and slices stay in one browser for a day",
                "test_case_data_is_not_stored",
            ),
            (
                "Copies that the browser was allowed to keep",
                '`Clear-Site-Data: "cache"` after deletions and at the end of a session; browsers obey it '
                "over TLS and on this machine",
                "test_browsers_forget_at_the_end",
            ),
            (
                "A request under another host name",
                "400 `untrusted_host` if `BTS_TRUSTED_HOSTS` is set",
                "test_names_of_the_server",
            ),
            (
                "Forged `X-Forwarded-` headers",
                "believed only for `BTS_PROXY_HOPS` proxies",
                "test_forwarded_headers_count_as_far_as_there_are_proxies",
            ),
            (
                "Uploaded files opened as pages",
                "sent as attachments",
                "test_results_are_attachments",
            ),
            (
                "Pages that load from other servers",
                "there are none",
                "test_pages_ask_no_other_server",
            ),
        ),
        *rows(
            "tests/app/web/test_forwarded.py",
            (
                "`X-Forwarded-Proto`, `SCRIPT_NAME` and the like from the machine itself",
                "not believed by gunicorn",
                "test_without_a_proxy_none_is_believed",
            ),
            (
                "`X-Forwarded-Prefix`, which would lead all links elsewhere",
                "not believed, nor is any but For, Proto and Host",
                "test_behind_a_proxy_only_three_are_believed",
            ),
        ),
        *rows(
            "tests/app/reporting/test_report.py",
            (
                "Names that spreadsheets take for formulas",
                "an apostrophe in front, whatever separates cells",
                "test_csv_holds_none_for_any_separator",
            ),
        ),
    ],
)

PRIVACY = Section(
    "Data and privacy",
    "",
    [
        *rows(
            "tests/app/test_privacy.py",
            (
                "Text in NIfTI headers",
                "left out of masks and volumes",
                "test_header_text_is_dropped_on_output",
            ),
            (
                "Names in errors of the database",
                "left out of the log",
                "test_a_fault_in_the_database_names_nobody",
            ),
            (
                "A deleted case",
                "nothing of it is left in the data folder or the log",
                "test_deleting_leaves_nothing",
            ),
            ("A refused upload", "nothing of it is left", "test_a_refused_upload_leaves_nothing"),
            (
                "A restart during `BTS_RETENTION_HOURS`",
                "the case is still deleted in time",
                "test_retention_goes_on_after_a_restart",
            ),
            (
                "Who did what",
                "`audit.log` has time, user, action, case and outcome, and the loaded model (of workers, "
                "if there is a broker)",
                "test_audit_log_says_who_did_what_when",
            ),
            (
                "Users who are not signed in, in the audit log",
                "`nobody`, with the user name that was tried, if there was one",
                "test_audit_log_names_no_stranger_as_the_operator",
            ),
            (
                "Comparisons in the audit log",
                "named with both cases",
                "test_audit_log_has_both_cases_of_a_comparison",
            ),
            (
                "Changes of the audit log",
                "the server only appends; the file is readable by its owner alone",
                "test_audit_log_is_only_appended_and_private",
            ),
        ),
        *rows(
            "tests/app/test_audit.py",
            (
                "The audit log on a full disk",
                "whole lines or none; what finds no room is kept and written later, in order",
                "test_a_full_disk_tears_no_line_and_loses_none[0]",
            ),
            (
                "An audit log that grows",
                "moved away at `BTS_AUDIT_FILE_MB`; nothing is deleted",
                "test_the_file_is_moved_away_when_it_is_large",
            ),
            (
                "Strangers who fill the audit log with refused requests",
                "counted; at most a line a minute for each address",
                "test_strangers_cannot_fill_the_log",
            ),
            (
                "Downloads that cannot be written down, with `BTS_AUDIT_REQUIRED`",
                "507 `audit_failed`",
                "test_nothing_is_handed_out_without_its_line_if_that_is_wanted",
            ),
        ),
        *rows(
            "tests/app/store/test_removal.py",
            (
                "A deletion that could be undone, after its minute",
                "nothing of the case or its note is left in the data folder",
                "test_after_its_minute_nothing_is_left",
            ),
            (
                "A server that is stopped within that minute",
                "what is due goes at the next start; what is not can still be had back",
                "test_a_server_that_starts_deletes_what_is_due",
            ),
            (
                "A clock that is put back within that minute",
                "the case goes at once",
                "test_a_clock_that_was_put_back_keeps_nothing_for_long",
            ),
            (
                "A deletion that is undone in the moment in which the case would go",
                "the case stays, whole",
                "test_a_case_that_is_restored_at_that_moment_stays",
            ),
            (
                "A disk too full to write a deletion down",
                "the case goes at once, and no undoing is offered",
                "test_a_database_without_room_deletes_at_once",
            ),
        ),
        *rows(
            "tests/app/web/test_worklist.py",
            (
                "Another user's deleted case, and forms of the worklist with it",
                "404 or 403; it is not offered to be had back",
                "test_others_cases_are_left_alone",
            ),
            (
                "Patients who are not shown (`BTS_SHOW_PATIENTS`)",
                "neither found by the search nor told by the order or the table",
                "test_patients_who_are_not_shown_are_not_found",
            ),
        ),
        *rows(
            "tests/app/web/test_patients.py",
            (
                "Dates of studies of patients who are not shown",
                "in no page, no report and no JSON of patients over time",
                "test_patients_who_are_not_shown_have_no_dates",
            ),
        ),
        *rows(
            "tests/app/web/test_api_annotations.py",
            (
                "Another user's drawings on a case",
                "404; 403 to who may only read the case",
                "test_only_who_may_correct_a_case_may_draw_on_it",
            ),
        ),
        *rows(
            "tests/app/store/test_retention.py",
            (
                "A clock that is a year ahead for some seconds, with `BTS_RETENTION_HOURS`",
                "nothing is deleted: a case must be too old for ten minutes by a clock that cannot be set",
                "test_a_year_forward_for_seven_seconds_deletes_nothing",
            ),
            (
                "More than ten cases, and a fifth of all, that are too old at once",
                "deleted after an hour",
                "test_many_at_once_wait_longer",
            ),
        ),
        *rows(
            "tests/app/web/test_uploads.py",
            (
                "Names of patients and files in the log",
                "the log has case ids only",
                "test_client_names_stay_out_of_paths_and_log",
            ),
        ),
    ],
)
