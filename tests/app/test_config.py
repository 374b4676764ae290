import math
import re
import secrets
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from app import config, logs
from app.config_access import is_weak
from app.errors import StartupError
from model.version import VERSION


def test_defaults_need_no_environment():
    settings = config.load_settings()
    assert settings.data_dir == Path("data")
    assert settings.sqlalchemy_url.database.endswith("data/cases.sqlite")


def test_environment_and_overrides(monkeypatch):
    monkeypatch.setenv("BTS_MAX_UPLOAD_MB", "7")
    monkeypatch.setenv("BTS_LOG_LEVEL", "debug")
    assert config.load_settings().max_upload_mb == 7
    assert config.load_settings().log_level == "DEBUG"
    assert config.load_settings({"max_upload_mb": 9}).max_upload_mb == 9


def test_what_is_empty_is_not_set(monkeypatch):
    for name in ("DATA_DIR", "MODEL_DIR", "MAX_UPLOAD_MB", "ACCESS_TOKEN", "DATABASE_URL"):
        monkeypatch.setenv(f"BTS_{name}", "")
    assert config.load_settings() == config.Settings()
    assert config.load_settings().data_dir == Path("data")
    assert config.load_settings().model_dir is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BTS_MAX_UPLOAD", "7"),
        ("bts_typo", "1"),
        ("BTS_MAX_UPLOAD_MB", "many"),
        ("BTS_MAX_UPLOAD_MB", "0"),
        ("BTS_DEVICE", "tpu"),
        ("BTS_PRECISION", "int8"),
        ("BTS_RETENTION_HOURS", "-1"),
        ("BTS_RETENTION_HOURS", "99999999"),
        ("BTS_CLIENT_TIMEOUT_S", "inf"),
        ("BTS_CLIENT_TIMEOUT_S", "nan"),
        ("BTS_MIN_CLIENT_KB_S", "inf"),
        ("BTS_DATABASE_URL", "no url"),
        ("BTS_DATABASE_URL", "mysql://localhost/bts"),
        ("BTS_DATABASE_URL", "postgresql+asyncpg://localhost/bts"),
        ("BTS_ACCESS_TOKEN", "short"),
        ("BTS_PROXY_HOPS", "1" * 30),
        ("BTS_MAX_QUEUED", "1" * 30),
        ("BTS_PUBLIC_URL", "mri.example"),
        ("BTS_BROKER_URL", "sqs://"),
        ("BTS_CASE_LIMIT_S", "3600"),
    ],
)
def test_wrong_settings_are_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError, match=f"{name}: "):
        config.load_settings()


def test_a_broker_needs_a_database_for_several_processes(monkeypatch):
    monkeypatch.setenv("BTS_BROKER_URL", "redis://localhost")
    with pytest.raises(StartupError, match="BTS_BROKER_URL needs PostgreSQL in BTS_DATABASE_URL"):
        config.load_settings()
    monkeypatch.setenv("BTS_DATABASE_URL", "postgresql://localhost/bts")
    assert config.load_settings().sqlalchemy_url.drivername == "postgresql+psycopg"


def test_what_scaling_out_needs_is_named(monkeypatch):
    monkeypatch.setattr(config, "find_spec", lambda name: None)
    with pytest.raises(StartupError, match="celery, psycopg is not installed: uv sync --extra"):
        config.load_settings({"broker_url": "redis://x", "database_url": "postgresql://x/y"})


def test_the_token_is_not_shown(monkeypatch):
    monkeypatch.setenv("BTS_ACCESS_TOKEN", "tooshort")
    with pytest.raises(StartupError) as caught:
        config.load_settings()
    assert "tooshort" not in caught.value.message
    token = "test-token-0123456789"
    assert token not in repr(config.load_settings({"access_token": token}))


@pytest.mark.parametrize(
    "token",
    [
        "x" * 40,
        "1234512345123451234512345",
        "abcdefghabcdefgh",
        "Password1Password1Pass",
        "0123456789abcdef",
        "fedcba9876543210",
        "abcdefghijklmnop",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "1234567890123456",
        "0123456789abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_tokens_that_are_easily_guessed_are_refused(token):
    with pytest.raises(StartupError, match=r"BTS_ACCESS_TOKEN: .*token_urlsafe\(32\)") as caught:
        config.load_settings({"access_token": token})
    assert token not in caught.value.message


@pytest.mark.parametrize(
    "token",
    [
        "test-token-0123456789",
        "a-token-of-24-characters",
        "correcthorsebatterystaple",
        "3f2a9c4be1d07856",
    ],
)
def test_other_tokens_are_taken(token):
    assert config.load_settings({"access_token": token}).access_token.get_secret_value() == token


def test_random_tokens_are_taken():
    for make in (secrets.token_urlsafe, lambda: secrets.token_hex(16)):
        assert not any(is_weak(make()) for _ in range(200))


NUMBERS = [
    n for n, field in config.Settings.model_fields.items() if field.annotation in (int, float)
]


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_have_finite_ranges(name):
    schema = config.Settings.model_json_schema()["properties"][name]
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    assert least is not None and math.isfinite(least)
    assert math.isfinite(schema["maximum"])
    for value in ("inf", "-inf", "nan", "1e400", str(schema["maximum"] + 1), str(least - 1)):
        with pytest.raises(StartupError, match=f"BTS_{name.upper()}: "):
            config.load_settings({name: value})


def test_no_number_is_left_out():
    fields = config.Settings.model_fields.items()
    parts = {name: {field.annotation, *get_args(field.annotation)} for name, field in fields}
    assert [name for name, kinds in parts.items() if kinds & {int, float}] == NUMBERS


def test_table_lists_every_setting():
    rows = re.findall(r"^\| `BTS_(\w+)` \|.*\| (.+) \|$", config.settings_table(), re.MULTILINE)
    assert sorted(name.lower() for name, _ in rows) == sorted(config.Settings.model_fields)
    assert all(len(meaning) > 10 for _, meaning in rows)


def test_version_is_the_package_version():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


@pytest.mark.parametrize(
    ("line", "cleaned"),
    [
        ("GET /?token=secret HTTP/1.1", "GET / HTTP/1.1"),
        ("GET /?q=Smith", "GET /"),
        ("GET /cases HTTP/1.1", "GET /cases HTTP/1.1"),
        (200, 200),
    ],
)
def test_queries_stay_out_of_the_log(line, cleaned):
    assert logs._without_query(line) == cleaned
