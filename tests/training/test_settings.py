"""Tables of settings."""

from training.settings import merged


def test_tables_are_put_over_each_other():
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"d": 4}) == {
        "a": {"b": 1, "c": 3},
        "d": 4,
    }
