"""The promises of SECURITY.md, one row each; `python -m tests.promises` writes docs/hazards.md."""
