"""Files as users have them: names, folders, zips."""
