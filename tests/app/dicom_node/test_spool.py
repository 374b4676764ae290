"""Received studies on the disk: when they are complete, and what an earlier process left."""

import pytest

from app.dicom_node import spool as spool_module
from app.dicom_node.spool import Spool


def keep(spool, study="1.2", instance="1.2.3", content=b"object"):
    with spool.partial(lambda file: file.write(content)) as path:
        return spool.add(path, study, instance)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(spool_module.time, "monotonic", lambda: now[0])
    return now


def nothing(_):
    return False


def test_a_study_is_complete_when_nothing_has_come_for_a_while(spool, clock):
    name = keep(spool)
    clock[0] += spool_module.QUIET_S - 1
    assert spool.complete() == []
    keep(spool, instance="1.2.4")
    clock[0] += spool_module.QUIET_S - 1
    spool.touch(name)
    clock[0] += spool_module.QUIET_S - 1
    assert spool.complete() == []
    clock[0] += 1
    assert spool.complete() == [name] == spool.complete()
    assert len(list(spool.path(name).iterdir())) == 2


def test_what_comes_later_is_another_study(spool, clock):
    first = keep(spool)
    clock[0] += spool_module.QUIET_S
    spool.complete()
    second = keep(spool)
    assert second != first
    clock[0] += spool_module.QUIET_S
    assert spool.complete() == [first, second]


def test_studies_are_told_apart(spool):
    assert keep(spool, "1.2") != keep(spool, "1.3")


def test_a_study_goes_on_after_a_restart(spool, clock):
    name = keep(spool)
    again = Spool(spool._folder)
    again.recover(nothing)
    # As after a database that was away in between.
    again.recover(nothing)
    assert keep(again, instance="1.2.4") == name
    clock[0] += spool_module.QUIET_S
    assert again.complete() == [name]


def test_a_restart_does_not_mix_a_study_with_what_came_later(spool, clock):
    first = keep(spool)
    clock[0] += spool_module.QUIET_S
    spool.complete()
    second = keep(spool)
    again = Spool(spool._folder)
    again.recover(nothing)
    assert {keep(again, instance="9"), *again.complete()} == {first, second}


def test_a_restart_deletes_what_is_a_case_or_nothing(spool, clock):
    done, name = keep(spool, "1"), keep(spool, "2")
    spool.count_try(done)
    (spool._folder / "abc.partial").write_bytes(b"half")
    (spool._folder / f"{name[:-1]}x.tries").write_bytes(b".")
    again = Spool(spool._folder)
    again.recover(lambda known: known == done)
    assert [path.name for path in spool._folder.iterdir()] == [name]
    # A folder that was made, and nothing else.
    (spool._folder / f"{'a' * 24}-{'b' * 16}").mkdir()
    again = Spool(spool._folder)
    again.recover(nothing)
    clock[0] += spool_module.QUIET_S
    assert again.complete() == [name]
    assert [path.name for path in spool._folder.iterdir()] == [name]


def test_tries_outlive_the_process(spool):
    name = keep(spool)
    assert spool.count_try(name) == 1
    assert Spool(spool._folder).count_try(name) == 2
    spool.forget_try(name)
    assert spool.count_try(name) == 2


def test_a_study_is_removed(spool, clock):
    name = keep(spool)
    clock[0] += spool_module.QUIET_S
    assert spool.complete() == [name]
    spool.count_try(name)
    spool.remove(name)
    assert spool.complete() == []
    assert list(spool._folder.iterdir()) == []
