"""From scans to measurements: pure functions, without Flask or a database."""
