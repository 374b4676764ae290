"""`flask settings`."""

import click
from flask import Flask

from app.config import settings_table


def init_app(app: Flask) -> None:
    app.cli.add_command(show_settings)


@click.command("settings")
def show_settings() -> None:
    """Print every setting with its default and meaning."""
    click.echo(settings_table())
