"""Deletes cases for good once their minute is over, in a thread of each server.

Not by the queue's own thread, which one long case would keep from it. What is due while no server runs goes when the
next one starts.
"""

from flask import Flask

from app.jobs.polling_thread import PollingThread
from app.store import removal


class Removals(PollingThread):
    """Looks every few seconds; several servers may do so side by side."""

    name = "removals"

    def poll(self) -> bool:
        removal.remove_hidden()
        return False


def init_app(app: Flask) -> None:
    app.extensions["removals"] = Removals(app)
