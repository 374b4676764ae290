"""From scans as a hospital has them to the case that the network sees, and back."""
