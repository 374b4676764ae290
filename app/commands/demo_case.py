"""`flask demo-case`."""

from pathlib import Path

import click
from flask import Flask

from model.phantom import write_demo_case


def init_app(app: Flask) -> None:
    app.cli.add_command(demo_case)


@click.command("demo-case")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def demo_case(folder: Path) -> None:
    """Write the synthetic case, four scans and the true mask, into FOLDER."""
    try:
        paths = write_demo_case(folder)
    except OSError as error:
        raise click.ClickException(f"The demo case cannot be written: {error}") from error
    for path in paths.values():
        click.echo(path)
