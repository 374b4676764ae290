"""Reading scans and writing masks: NIfTI, sequences, one patient's case."""
