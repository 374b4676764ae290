"""Reports of a finished case: JSON, CSV, PDF, rendered slices, and their wording."""
