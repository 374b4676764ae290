"""DICOM series as scans: headers, stacks of slices, what is left out, voxels."""
