"""What is promised about DICOM files: hostile ones, mixed ones, and patients' names in them."""

from tests.promises.row import Section, rows

FILE = "tests/app/intake/test_dicom_study.py"
DICOM = Section(
    "DICOM studies",
    "Headers are read first, under limits: 64 MiB of header a file, 64 MiB of a file that is deflated as a whole, "
    "20,000 frames a file, 20,000 files a study. Pixels are decoded file by file once a series' grid is known. The tests "
    "measure that refusing takes less than 256 MiB.",
    [
        *rows(
            FILE,
            (
                "A DICOM file whose preamble makes it a program, an archive or a page, too",
                "`dicom_disguised`",
                "test_a_file_that_is_another_one_too",
            ),
            (
                "A file deflated as a whole that inflates to a gigabyte",
                "`dicom_too_large`",
                "test_hostile_files_are_refused_within_a_bound[deflated bomb]",
            ),
            (
                "Sequences nested 3,000 deep",
                "`dicom_damaged`",
                "test_hostile_files_are_refused_within_a_bound[nested without end]",
            ),
            (
                "A header longer than that of any image",
                "`dicom_too_large`",
                "test_hostile_files_are_refused_within_a_bound[header longer than any]",
            ),
            (
                "An element that claims 4 GB in a small file",
                "nothing is allocated for it; the file counts as what it still is",
                "test_a_length_that_lies_allocates_nothing",
            ),
            (
                "Two billion frames claimed",
                "the file is no image: `dicom_no_images`",
                "test_a_claim_of_many_frames",
            ),
            (
                "Pixels shorter than the header says",
                "the series has the problem `no_pixels`, and reading it is `dicom_series`",
                "test_pixels_shorter_than_declared",
            ),
            (
                "Compressed pixels that are cut off",
                "`dicom_pixels`",
                "test_compressed_pixels_that_are_damaged",
            ),
            (
                "More than 20,000 files",
                "`dicom_too_many_files`",
                "test_too_many_files",
            ),
            (
                "A symbolic link out of the folder",
                "`dicom_link`",
                "test_links_that_lead_out_are_refused",
            ),
            (
                "Pipes and devices in the folder",
                "never opened",
                "test_pipes_are_not_opened",
            ),
            (
                "A DICOMDIR with paths of its own",
                "not believed; all files are told by their content",
                "test_an_index_is_not_believed",
            ),
            (
                "Two patients in one folder",
                "`dicom_two_patients`, by identifiers, names or birth dates",
                "test_two_patients_are_never_mixed",
            ),
            (
                "Two studies in one folder",
                "`dicom_two_studies`",
                "test_two_studies",
            ),
            (
                "One instance twice, with other pixels",
                "`dicom_conflict`; with the same, it counts once",
                "test_the_same_instance_with_other_pixels",
            ),
            (
                "Images without UIDs",
                "`dicom_no_uids`",
                "test_missing_uids",
            ),
            (
                "Names in Japanese, Korean, Chinese or unknown character sets",
                "decoded; what is no text in its set becomes a replacement character",
                "test_character_sets",
            ),
            (
                "Files that hold private elements alone",
                "`dicom_no_images`",
                "test_private_tags_alone",
            ),
            (
                "Any damage to a file",
                "read, left out with a reason, or a `dicom_...` code",
                "test_any_damage_is_refused_or_read",
            ),
            (
                "Patients' names in logs and errors",
                "none: pydicom's own messages are kept out, and errors name neither files nor patients",
                "test_names_stay_out_of_logs",
            ),
        ),
        *rows(
            "tests/model/io/dicom/test_geometry.py",
            (
                "Slices that do not belong together: missing, double, turned, tilted, shifted, of other sizes",
                "the series has a problem with a code; it is never stacked",
                "test_what_is_wrong_with_a_series_is_said",
            ),
        ),
        *rows(
            "tests/model/io/dicom/test_codestream.py",
            (
                "Compressed pixels that claim another size than the header",
                "`dicom_pixels`; no memory is taken for them",
                "test_a_claim_of_another_size_costs_no_memory",
            ),
            (
                "A file of 2 MB that holds 144 million compressed pixels",
                "not decoded, not even for the picture of its series",
                "test_a_small_file_of_vast_pictures_is_not_decoded_for_a_picture",
            ),
        ),
        *rows(
            "tests/app/reporting/test_dicom_seg.py",
            (
                "A mask that lies on another grid than the series that it would be written for",
                "refused before anything is written",
                "test_a_mask_of_another_grid_is_refused",
            ),
            (
                "A result sent to an archive twice",
                "has the same UIDs; a corrected mask has others and says so",
                "test_a_corrected_mask_says_so_in_a_new_instance",
            ),
        ),
        *rows(
            "tests/app/intake/test_zipped_study.py",
            (
                "A zip of a CD: paths that lead out, a viewer, other zips",
                "only DICOM files come out, under names of ours",
                "test_dicom_files_come_out_and_the_rest_of_a_cd_stays",
            ),
            (
                "More in a zip than may be unpacked",
                "`zip_too_large`",
                "test_more_than_may_be_unpacked",
            ),
            ("100,000 files in a zip", "`zip_too_large`", "test_more_files_than_may_be"),
            ("Symbolic links in a zip", "`zip_link`", "test_links"),
        ),
        *rows(
            "tests/app/web/test_dicom.py",
            (
                "Two patients in one upload",
                "`dicom_two_patients`; nothing is kept, and the error names nobody",
                "test_two_patients_are_never_mixed",
            ),
            (
                "DICOM and NIfTI in one upload",
                "`mixed_formats`; nothing is kept",
                "test_dicom_and_nifti_are_not_mixed",
            ),
            (
                "Patients' names in logs or metrics",
                "none",
                "test_nothing_of_the_patient_is_logged",
            ),
            (
                "Patients' names in NIfTI files",
                "none; the headers are ours",
                "test_downloads_as_nifti_tell_nothing_of_the_patient",
            ),
            (
                "What a deleted case leaves of its study",
                "nothing, in files or database",
                "test_a_deleted_case_leaves_nothing",
            ),
            (
                "A wrong choice of series",
                "refused with a code; the study stays to be chosen from again",
                "test_a_bad_choice_keeps_the_study",
            ),
        ),
    ],
)
