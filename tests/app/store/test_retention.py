"""Cases are deleted by age, but not because a clock was put wrong."""

from app.store.retention import DRIFT_S, MANY, WAIT_FOR_MANY_S, WAIT_S, Patience

YEAR_S = 365 * 24 * 3600.0


class Clocks:
    """A machine's clock, and one that cannot be set."""

    def __init__(self) -> None:
        self.patience, self.steady_s, self.put_s = Patience(), 0.0, 1.7e9

    def look(self, *expired: str, after_s: float = 5.0, count: int = 100) -> list[str]:
        self.steady_s += after_s
        return self.patience.over(expired, count, self.put_s + self.steady_s, self.steady_s)


def test_a_case_is_deleted_after_it_was_too_old_for_a_while():
    clocks = Clocks()
    assert clocks.look("a") == []
    assert clocks.look("a", "b", after_s=WAIT_S - 1) == []
    assert clocks.look("a", "b", after_s=1) == ["a"]
    assert clocks.look("b", after_s=WAIT_S) == ["b"]


def test_a_year_forward_for_seven_seconds_deletes_nothing():
    clocks, everything = Clocks(), [str(number) for number in range(5)]
    clocks.look()
    clocks.put_s += YEAR_S
    assert clocks.look(*everything) == []
    clocks.put_s -= YEAR_S
    for _ in range(1000):
        assert clocks.look(after_s=7) == []


def test_a_clock_that_is_put_again_and_again_deletes_nothing(caplog):
    clocks = Clocks()
    for _ in range(10):
        clocks.put_s += 2 * DRIFT_S
        assert clocks.look("a", after_s=WAIT_S) == []
    assert "the clock was put" in caplog.text


def test_a_clock_that_is_kept_right_is_believed():
    clocks = Clocks()
    clocks.look("a")
    clocks.put_s += DRIFT_S / 2
    assert clocks.look("a", after_s=WAIT_S) == ["a"]


def test_many_at_once_wait_longer():
    clocks, many = Clocks(), [str(number) for number in range(MANY + 11)]
    clocks.look(*many)
    assert clocks.look(*many, after_s=WAIT_S) == []
    assert clocks.look(*many, after_s=WAIT_FOR_MANY_S) == many
    clocks = Clocks()
    clocks.look(*many, count=1000)
    assert clocks.look(*many, after_s=WAIT_S, count=1000) == many
