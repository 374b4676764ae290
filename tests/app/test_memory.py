"""Requests that need much memory share a bounded room."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import Busy
from app.memory import Room, room


def test_no_more_is_taken_than_there_is():
    found, used, peak, lock = Room(100), 0, 0, threading.Lock()

    def take(size: int) -> None:
        nonlocal used, peak
        with found.taken(size):
            with lock:
                used += size
                peak = max(peak, used)
            time.sleep(0.01)
            with lock:
                used -= size

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(take, [30, 60, 10, 45] * 8))
    assert 60 < peak <= 100
    assert used == 0


def test_more_than_there_is_gets_all_of_it_alone():
    found = Room(100)
    with found.taken(1000), pytest.raises(Busy), found.taken(1, wait_s=0.05):
        pass
    with found.taken(100, wait_s=0.05):
        pass


def test_a_large_one_is_not_overtaken_for_ever():
    found, order = Room(100), []
    first = found.taken(60)
    first.__enter__()

    def take(size: int) -> None:
        with found.taken(size):
            order.append(size)

    threads = [threading.Thread(target=take, args=(size,)) for size in (90, 10)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    assert order == []
    first.__exit__(None, None, None)
    for thread in threads:
        thread.join()
    assert order == [90, 10]


def test_who_waits_too_long_is_told_to_come_back(finished, assert_error, monkeypatch):
    monkeypatch.setattr("app.memory.MOST_WAIT_S", 0.05)
    with finished.app.app_context(), room().taken(float(2**40)):
        for address in ("volumes/t1.nii.gz", "report.zip"):
            answer = finished.client.get(f"/api/cases/{finished.id}/{address}")
            assert_error(answer, 503, "busy")
            assert int(answer.headers["Retry-After"]) > 0
    assert finished.client.get(f"/api/cases/{finished.id}/volumes/t1.nii.gz").status_code == 200
