"""Scores of segmentations against experts' masks."""
