"""Commands say in a sentence what is not there."""

import pytest

from training import crossval, export, train
from training.reports import figures


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        (train, ["--data", "{}", "--out", "{}/run"], "holds no prepared data"),
        (export, ["--run", "{}", "--data", "{}", "--out", "{}/out"], "no prepared data"),
        (
            crossval,
            ["{}", "--data", "{}", "--results", "{}", "--report", "{}/page.md", "--only", "base"],
            "no prepared data",
        ),
        (figures, ["scores", "{}/none.json", "--out", "{}"], "none.json"),
        (figures, ["curves", "{}", "--out", "{}"], "log.csv"),
    ],
)
def test_commands_say_what_is_not_there(command, options, message, tmp_path, capsys):
    assert command.main([option.format(tmp_path) for option in options]) == 1
    assert message in capsys.readouterr().err
