"""The DICOM node: studies are received by C-STORE, and results are sent to archives."""
