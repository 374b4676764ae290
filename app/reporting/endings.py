"""How the names of results in DICOM end, after the name of the case."""

SEG, SR, STRUCTURES, PDF = "seg.dcm", "report.dcm", "structures.dcm", "report_pdf.dcm"
# Those that belong to every case that came as DICOM.
ENDINGS = (SEG, SR, STRUCTURES)
