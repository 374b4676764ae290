"""Uploading with the mouse: picker, folder, zip, slots, refusals, progress, several patients."""

import itertools
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from model.io.modalities import MASK, MODALITIES, MOST_MISSING, TITLES, guess_modality
from tests.browser.stage import settle
from tests.model.io.test_modalities import FOLDERS
from tests.model.io.test_modalities import NAMES as KNOWN

pytestmark = pytest.mark.browser

CASE_PAGE = re.compile(r"/cases/[0-9a-f]{32}")
# The browser itself writes refused requests to its console.
REFUSED = "Failed to load resource"
# Slow enough that an upload of a few hundred kB can be watched, in bytes per second.
SLOW_UPLOAD = 60_000
NAMES = (
    "BraTS2021_00001_flair.nii.gz",
    "BraTS-GLI-00001-000-t1c.nii.gz",
    "BraTS-GLI-00001-000-t1n.nii.gz",
    "BraTS-GLI-00001-000-t2f.nii.gz",
    "BraTS-GLI-00001-000-t2w.nii",
    "T1_study/patient_t2.nii.gz",
    "sub-01_ce-gadolinium_T1w.nii.gz",
    "AX T2 FLAIR.nii",
    "T1 POST.nii.gz",
    "mprage_gd.nii.gz",
    "t1+c.nii",
    "case_seg.nii.gz",
    "patient12.nii.gz",
    "sub-001_ses-post_T1w.nii.gz",
    "Patient_C_t1.nii.gz",
    "t1 c.nii",
    "DARK-FLUID.NII.GZ",
    "T1CE_SUB.nii",
    "T1w_sub-01.nii.gz",
    "p_T1w_map.nii",
)
# Words of real names. Every three of them, in every order, make a name.
WORDS = (
    "FLAIR", "T1w", "t1ce", "T2", "T2*", "tirm", "mprage", "ce", "gd", "+C", "c", "post", "pre", "no", "contrast",
    "to", "space", "swi", "map", "sub", "seg", "sub-01",
)  # fmt: skip
SEPARATORS = "_- +"


def files(scans: dict[str, Path]) -> list[str]:
    return [str(path) for path in scans.values()]


def slot(page: Page, modality: str):
    return page.locator(f'[data-slot="{modality}"]')


def test_picked_files_fill_the_slots_and_become_a_result(page: Page, scans, screenshot):
    page.goto("/")
    if page.get_by_role("button", name="One by one").count():
        page.get_by_role("button", name="One by one").click()
    expect(page.get_by_role("button", name="Segment", exact=True)).to_be_disabled()
    screenshot(page, "upload-empty")
    page.set_input_files("#pick-files", files(scans))
    for modality, path in scans.items():
        expect(slot(page, modality)).to_contain_text(path.name)
    expect(page.locator('[data-part="status"]')).to_contain_text("4 of 4 sequences")
    screenshot(page, "upload-filled")
    page.fill("#case-name", "Uploaded by picker")
    page.get_by_role("button", name="Segment", exact=True).click()
    page.wait_for_url(CASE_PAGE)
    page.locator("#viewer").wait_for()
    expect(page.get_by_role("heading", level=1)).to_have_text("Uploaded by picker")


def test_dropped_files_fill_the_slots(page: Page, scans):
    page.goto("/")
    names = [path.name for path in scans.values()]
    transfer = page.evaluate_handle(
        """(names) => {
            const transfer = new DataTransfer();
            for (const name of names) transfer.items.add(new File(["x"], name));
            return transfer;
        }""",
        names,
    )
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    for modality, path in scans.items():
        expect(slot(page, modality)).to_contain_text(path.name)


def test_wrong_guess_is_corrected_by_swapping_and_clearing(page: Page, scans):
    page.goto("/")
    page.set_input_files("#pick-files", files(scans))
    page.select_option("#as-t1", "t2")
    expect(slot(page, "t2")).to_contain_text(scans["t1"].name)
    expect(slot(page, "t1")).to_contain_text(scans["t2"].name)
    slot(page, "t1").get_by_role("button", name="Clear").click()
    expect(slot(page, "t1")).to_contain_text("No file yet")
    expect(page.locator('[data-part="status"]')).to_contain_text("Still missing: T1.")
    page.set_input_files("#file-t1", str(scans["t1"]))
    expect(slot(page, "t1")).to_contain_text(scans["t1"].name)


def test_three_sequences_can_be_sent_and_two_not(page: Page, scans, screenshot):
    page.goto("/")
    button = page.get_by_role("button", name="Segment", exact=True)
    note = page.get_by_text("T2 may be left out, at a cost in accuracy.")
    page.set_input_files("#pick-files", files(scans)[:2])
    expect(page.locator('[data-part="status"]')).to_contain_text("Still missing: T1ce, T2.")
    expect(button).to_be_disabled()
    expect(page.locator('[data-part="incomplete"]')).to_be_hidden()
    page.set_input_files("#pick-files", files(scans)[2])
    expect(note).to_be_visible()
    screenshot(page, "upload-three")
    button.click()
    page.wait_for_url(CASE_PAGE)
    page.locator("#viewer").wait_for()
    expect(page.locator(".side")).to_contain_text("No T2 was given.")
    expect(page.locator('input[name="modality"]')).to_have_count(3)
    settle(page)
    page.keyboard.press("3")
    expect(page.locator(".pane").first).to_have_attribute("data-modality", "t1ce")
    screenshot(page, "case-three")


def test_three_files_of_another_patient_replace_the_first(
    page: Page, scans, tmp_path, write_patient
):
    other = write_patient(tmp_path / "other", "Other", seed=7)
    page.goto("/")
    page.set_input_files("#pick-files", files(scans))
    page.set_input_files("#pick-files", files(other)[:3])
    expect(slot(page, "flair")).to_contain_text(other["flair"].name)
    expect(slot(page, "t2")).to_contain_text("No file yet")


def test_unrecognised_file_is_placed_by_hand(page: Page, scans, tmp_path):
    odd = tmp_path / "series007.nii.gz"
    odd.write_bytes(scans["t2"].read_bytes())
    page.goto("/")
    page.set_input_files("#pick-files", [*files(scans)[:3], str(odd)])
    page.get_by_label("series007.nii.gz is").select_option("t2")
    expect(slot(page, "t2")).to_contain_text("series007.nii.gz")
    expect(page.locator('[data-part="leftovers"]')).to_be_hidden()


def test_refusal_stands_beside_the_file_it_names(
    page: Page, scans, tmp_path, expected_errors, screenshot
):
    expected_errors.append(REFUSED)
    cut = tmp_path / "BraTS2021_09999_t2.nii.gz"
    cut.write_bytes(scans["t2"].read_bytes()[:-2000])
    page.goto("/")
    page.set_input_files("#pick-files", [*files(scans)[:3], str(cut)])
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(slot(page, "t2").get_by_role("alert")).to_be_visible()
    expect(slot(page, "flair").get_by_role("alert")).to_have_count(0)
    screenshot(page, "upload-refused")
    # Mended, the same form goes through.
    page.set_input_files("#file-t2", str(scans["t2"]))
    expect(slot(page, "t2").get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Segment", exact=True).click()
    page.wait_for_url(CASE_PAGE)


def test_upload_shows_progress_and_can_be_cancelled(page: Page, scans, screenshot):
    page.goto("/")
    page.set_input_files("#pick-files", files(scans))
    slow_down(page)
    segment, cancel = (
        page.get_by_role("button", name=name, exact=True) for name in ("Segment", "Cancel")
    )
    segment.click()
    expect(page.locator('[data-part="transfer-text"]')).to_contain_text(
        re.compile(r"\d+ % of .*/s")
    )
    # The keyboard gets no further than the upload does.
    expect(cancel).to_be_focused()
    for name in ("dropzone", "slots"):
        expect(page.locator(f'[data-part="{name}"]')).to_have_js_property("inert", True)
    assert asks_before_leaving(page)
    screenshot(page, "upload-progress")
    cancel.click()
    expect(page.locator('[data-part="status"]')).to_contain_text("cancelled")
    expect(segment).to_be_enabled()
    expect(segment).to_be_focused()
    assert not asks_before_leaving(page)


def slow_down(page: Page) -> None:
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    page.context.new_cdp_session(page).send(
        "Network.emulateNetworkConditions", conditions | {"uploadThroughput": SLOW_UPLOAD}
    )


def asks_before_leaving(page: Page) -> bool:
    """Whether the browser would ask; it does only where a person has touched the page."""
    return page.evaluate(
        """() => {
            const leaving = new Event("beforeunload", { cancelable: true });
            return !window.dispatchEvent(leaving);
        }"""
    )


@pytest.mark.slow
def test_the_first_of_several_is_looked_at_while_others_are_sent(
    page: Page, tmp_path, write_patient
):
    for number in (1, 2):
        write_patient(tmp_path / f"P{number}", f"Watched{number}", seed=number)
    page.goto("/")
    page.set_input_files("#pick-folder", str(tmp_path))
    sent = []

    def hold_the_second(route):
        if route.request.method == "POST":
            sent.append(route)
        if route not in sent[1:]:
            route.continue_()

    page.route("**/api/cases", hold_the_second)
    page.get_by_role("button", name="Segment 2 patients").click()
    rows = page.locator(".batch-row")
    first = rows.first.get_by_role("link", name="Open")
    with page.context.expect_page() as opened:
        first.click()
    opened.value.wait_for_url(CASE_PAGE)
    assert asks_before_leaving(page)
    expect(first).to_be_visible()
    sent[1].continue_()
    expect(rows.nth(1).get_by_role("link", name="Open")).to_be_visible()
    assert not asks_before_leaving(page)


def test_zip_with_one_patient_fills_the_slots(page: Page, scans, tmp_path):
    archive = tmp_path / "patient.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in scans.values():
            file.write(path, f"study/{path.name}")
    page.goto("/")
    page.set_input_files("#pick-files", str(archive))
    expect(slot(page, "t1ce")).to_contain_text(scans["t1ce"].name)
    page.get_by_role("button", name="Segment", exact=True).click()
    page.wait_for_url(CASE_PAGE)


@pytest.mark.slow
def test_folder_and_zip_with_several_patients_are_sent_one_by_one(
    page: Page, tmp_path, screenshot, write_patient
):
    folder = tmp_path / "patients"
    for number in (1, 2):
        write_patient(folder / f"P{number}", f"Patient{number}", seed=number)
    (folder / "P2" / "Patient2_t2.nii.gz").unlink()
    archive = tmp_path / "patients.zip"
    third = write_patient(tmp_path / "third", "Patient3", seed=3)
    fourth = write_patient(tmp_path / "fourth", "Patient4", seed=4)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in (*third.values(), *fourth.values()):
            file.write(path, path.name)
    page.goto("/")
    page.set_input_files("#pick-folder", str(folder))
    expect(page.get_by_role("heading", name="2 patients found")).to_be_visible()
    expect(page.locator(".batch-row").nth(1)).to_contain_text("3 of 4 sequences, missing T2")
    expect(page.get_by_text("A patient without one of the sequences")).to_be_visible()
    expect(page.get_by_role("button", name="Segment 2 patients")).to_be_enabled()
    page.get_by_role("button", name="Start over").click()
    page.set_input_files("#pick-files", str(archive))
    expect(page.get_by_text("A patient without one of the sequences")).to_be_hidden()
    page.get_by_role("button", name="Segment 2 patients").click()
    expect(page.locator(".batch-row").get_by_role("link", name="Open")).to_have_count(2)
    row = page.locator("#worklist tbody tr", has_text="Patient4")
    expect(row).to_have_attribute("data-state", "done")
    screenshot(page, "upload-batch", full_page=True)


@pytest.mark.slow
def test_a_folder_for_each_sequence(page: Page, scans, tmp_path):
    """In a zip, and in a folder; the case is named after what is around."""
    archive, folder = tmp_path / "all.zip", tmp_path / "Patient7"
    with zipfile.ZipFile(archive, "w") as file:
        for modality, path in scans.items():
            (folder / modality.upper()).mkdir(parents=True)
            shutil.copy(path, folder / modality.upper() / "scan.nii.gz")
            file.write(path, f"Patient8/{modality.upper()}/scan.nii.gz")
    for picker, path, told, name in (
        ("#pick-files", archive, "all.zip", "Patient8"),
        ("#pick-folder", folder, "4 of 4 sequences", "Patient7"),
    ):
        page.goto("/")
        page.set_input_files(picker, str(path))
        expect(page.locator('[data-part="status"]')).to_contain_text(told)
        page.get_by_role("button", name="Segment", exact=True).click()
        page.wait_for_url(CASE_PAGE)
        expect(page.get_by_role("heading", level=1)).to_have_text(name)


@pytest.mark.slow
def test_a_damaged_file_in_a_zip_is_told_and_stops_no_other(page: Page, tmp_path, write_patient):
    archive = tmp_path / "patients.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for number in (1, 2):
            for path in write_patient(tmp_path / "in", f"Zipped{number}", seed=number).values():
                file.write(path, path.name)
        damaged = file.getinfo("Zipped1_t1.nii.gz")
        start = damaged.header_offset + 30 + len(damaged.filename)
    content = bytearray(archive.read_bytes())
    content[start : start + 100] = b"\xff" * 100
    archive.write_bytes(content)
    page.goto("/")
    page.set_input_files("#pick-files", str(archive))
    page.get_by_role("button", name="Segment 2 patients").click()
    refused, sent = page.locator(".batch-row").all()
    expect(refused).to_contain_text("Zipped1_t1.nii.gz cannot be unpacked: the zip is damaged.")
    expect(sent.get_by_role("link", name="Open")).to_be_visible()


def test_patients_join_what_is_there_already(page: Page, scans, tmp_path, write_patient):
    folder = tmp_path / "patients"
    for number in (1, 2):
        write_patient(folder / f"P{number}", f"Joined{number}", seed=number)
    page.goto("/")
    page.set_input_files("#file-t1", str(scans["t1"]))
    page.set_input_files("#pick-folder", str(folder))
    expect(page.get_by_role("heading", name="3 patients found")).to_be_visible()
    expect(page.locator(".batch-row").first).to_contain_text("missing FLAIR, T1ce, T2")
    page.set_input_files("#pick-files", files(scans))
    expect(page.get_by_role("heading", name="4 patients found")).to_be_visible()
    expect(page.get_by_role("button", name="Segment 3 patients")).to_be_enabled()
    page.get_by_role("button", name="Start over").click()
    expect(page.locator('[data-part="status"]')).to_have_text("No files yet.")


def many_names() -> list[str]:
    """Return names of files: real ones, and those that WORDS make."""
    made = [
        f"{SEPARATORS[len(first) % 4].join((first, second))}{SEPARATORS[len(third) % 4]}{third}.nii.gz"
        for first, second, third in itertools.product(WORDS, repeat=3)
    ]
    return [*NAMES, *itertools.chain(*KNOWN.values()), *made]


def test_names_are_read_as_the_server_reads_them(page: Page):
    page.goto("/")
    names = many_names()
    rules, found = page.evaluate(
        """async (names) => {
            const { MASK, MODALITIES, MOST_MISSING, TITLES, guessModality } = await import("/static/js/modalities.js");
            return [[MASK, MODALITIES, MOST_MISSING, TITLES], names.map(guessModality)];
        }""",
        names,
    )
    assert rules == [MASK, list(MODALITIES), MOST_MISSING, TITLES]
    different = [
        (name, guess)
        for name, guess in zip(names, found, strict=True)
        if guess != guess_modality(name)
    ]
    assert different == []
    assert {*MODALITIES, MASK, None} == set(found)
    found = page.evaluate(
        """async (patients) => {
            const { guessModalities } = await import("/static/js/modalities.js");
            return patients.map(guessModalities);
        }""",
        [list(patient) for patient in FOLDERS],
    )
    assert found == [list(patient.values()) for patient in FOLDERS]
