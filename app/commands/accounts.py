"""`flask token` and `flask user`, for administrators."""

import socket

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from app import audit
from app.config import settings
from app.store import database, login_codes, sessions, tokens, users
from app.store.account_models import User
from app.store.models import db

token = AppGroup("token", help="The server's access token.")
user = AppGroup("user", help="Named users. Once there is one, everybody has to sign in.")


def init_app(app: Flask) -> None:
    app.cli.add_command(token)
    app.cli.add_command(user)


@token.command("rotate")
@with_appcontext
def rotate() -> None:
    """Make a new access token, print it, and end all sessions."""
    if settings().access_token.get_secret_value():
        raise click.ClickException("BTS_ACCESS_TOKEN sets the token; change it there.")
    database.prepare(current_app)
    sessions.end_all()
    click.echo(tokens.rotate(settings()))
    audit.write("token rotate")


@token.command("link")
@click.option("--port", default=8000, envvar="PORT", help="Of the server, without BTS_PUBLIC_URL.")
@with_appcontext
def link(port: int) -> None:
    """Print a link that signs in once, within a day, with the rights of the access token."""
    database.prepare(current_app)
    click.echo(login_codes.create_link(socket.gethostname(), port))
    audit.write("token link")


@user.command("add")
@click.argument("name")
@click.option("--admin", is_flag=True, help="Sees all cases.")
@click.password_option()
@with_appcontext
def add(name: str, admin: bool, password: str) -> None:
    """Add a user, whose password is asked for."""
    database.prepare(current_app)
    try:
        users.add(name, password, is_admin=admin)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    audit.write("user add", user=name)
    click.echo(f"{name} can sign in.")


@user.command("password")
@click.argument("name")
@click.password_option()
@with_appcontext
def password(name: str, password: str) -> None:
    """Give a user another password, and end that user's sessions."""
    found = _find(name)
    try:
        users.set_password(found, password)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    db.session.commit()
    audit.write("user password", user=name)


@user.command("token")
@click.argument("name")
@with_appcontext
def new_token(name: str) -> None:
    """Make a token for a user's API clients and print it; it replaces an earlier one."""
    click.echo(users.new_token(_find(name)))
    audit.write("user token", user=name)


@user.command("list")
@with_appcontext
def list_users() -> None:
    """Print the users' names."""
    database.prepare(current_app)
    for name in users.names():
        click.echo(f"{name}{' (administrator)' if users.find(name).is_admin else ''}")


@user.command("remove")
@click.argument("name")
@with_appcontext
def remove(name: str) -> None:
    """Remove a user; the cases stay, for administrators."""
    users.remove(_find(name))
    audit.write("user remove", user=name)
    if not users.exist():
        click.echo(
            "There are no users any more: whoever is at this machine or has the token sees all cases.",
            err=True,
        )


def _find(name: str) -> User:
    database.prepare(current_app)
    found = users.find(name)
    if found is None:
        raise click.ClickException(f"There is no user {name}.")
    return found
