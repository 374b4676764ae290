"""Calls from several threads."""

import threading


def at_once(number: int, call) -> list:
    """Return what `call` returns in so many threads."""
    answers: list = []
    threads = [threading.Thread(target=lambda: answers.append(call())) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
