"""Write docs/hazards.md: `python -m tests.promises`."""

from tests.promises.page import PAGE, as_markdown

if __name__ == "__main__":
    PAGE.write_text(as_markdown())
