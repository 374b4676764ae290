"""Files as people have them: names, folders, zips."""
