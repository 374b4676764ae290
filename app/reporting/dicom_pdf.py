"""The report as a document in DICOM, for archives whose users read neither segmentations nor structured reports."""

from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from app.reporting import dicom_common as common
from app.reporting.dicom_common import ResultIdentity, frame_of
from model.io.dicom.source import Source


def to_encapsulated_pdf(document: bytes, source: Source, identity: ResultIdentity) -> Dataset:
    """Return a PDF as Encapsulated PDF Storage (DICOM PS3.3 A.45.1)."""
    dataset = frame_of("pdf", EncapsulatedPDFStorage, source, identity)
    dataset.Modality, dataset.ConversionType = "DOC", "WSD"
    dataset.ContentDate, dataset.ContentTime = f"{common.now():%Y%m%d}", f"{common.now():%H%M%S}"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "YES"
    dataset.DocumentTitle = common.NOTICE
    dataset.ConceptNameCodeSequence = []
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(document)
    # Values have an even length.
    dataset.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    return common.add_notice(dataset, identity, "report")
