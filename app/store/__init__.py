"""The database and the data folder: cases, results, corrected masks, users, tokens."""
