"""Settings: environment variables with the prefix BTS_, checked once at start."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from flask import current_app
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.config_access import AccessSettings
from app.config_dicom import DicomSettings
from app.errors import StartupError
from model.io.nifti_header import Limits

PREFIX = "BTS_"
DRIVERS = ("sqlite", "postgresql", "postgres", "postgresql+psycopg")
# Longest wait for a connection to the database, in seconds.
CONNECT_S = 5
# A terabyte.
MOST_MB = 2**20
BROKERS = ("redis", "rediss", "amqp", "amqps")


class Settings(AccessSettings, DicomSettings, BaseSettings):
    """Every setting with its default; the descriptions are the documentation."""

    # An empty variable, as Compose files have them, counts as not set.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    data_dir: Path = Field(Path("data"), description="Folder for cases, results and the database.")
    database_url: str = Field(
        "",
        description="`postgresql://` or `sqlite:///` URL of the database; empty means SQLite in the "
        "data folder.",
    )
    broker_url: str = Field(
        "",
        description="Redis or RabbitMQ (`redis://`, `amqp://`) that hands cases to workers, see "
        "docs/scaling.md; empty means that this process segments them itself.",
    )
    case_limit_s: int = Field(
        600,
        ge=5,
        # RabbitMQ takes back messages that are not confirmed within 30 minutes.
        le=1500,
        description="Longest run of a case on a worker, in seconds, and longest time without "
        "progress where this process segments cases itself; it is tried three times.",
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port on which a worker offers `/metrics`; 0: none."
    )
    model_dir: Path | None = Field(
        None, description="Folder of the trained model; empty means the one that comes along."
    )
    engine: Literal["auto", "tensorflow", "openvino"] = Field(
        "auto", description="What runs the network: `auto`, `tensorflow` or `openvino`."
    )
    device: Literal["auto", "gpu", "cpu"] = Field(
        "auto", description="Where the network runs: `auto`, `gpu` or `cpu`."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Numbers that the network is computed in: `auto` for what is quickest on the processor, "
        "`float32`, or `bfloat16` where the processor has it.",
    )
    quality: Literal["accurate", "fast"] = Field(
        "accurate",
        description="`accurate` averages all networks and slice directions that the model card names, "
        "`fast` takes the first of each: quicker, at a cost in accuracy that the model card states.",
    )
    prepare: Literal["auto", "never", "always"] = Field(
        "auto",
        description="Registration and brain extraction before the network: `auto` for scans that need "
        "them, `never`, or `always`; an upload or a command may say otherwise.",
    )
    label_convention: Literal["brats2021", "brats2023"] = Field(
        "brats2021",
        description="Label values in masks: `brats2021` (enhancing tumour = 4) or `brats2023` (3).",
    )
    max_upload_mb: int = Field(
        1024, ge=1, le=MOST_MB, description="Largest upload, all files together, in MB."
    )
    max_unpacked_mb: int = Field(
        2048, ge=1, le=MOST_MB, description="Largest content of an uploaded zip, unpacked, in MB."
    )
    max_voxels: int = Field(
        512 * 512 * 256, ge=1, le=2**31 - 1, description="Most voxels that one scan may have."
    )
    max_parts: int = Field(
        20_000,
        ge=4,
        le=10**6,
        description="Most parts that one upload may have; a DICOM study has thousands.",
    )
    # Werkzeug's buffer of 64 KB counts towards it, also while it passes files on.
    max_field_kb: int = Field(
        512,
        ge=256,
        le=2**20,
        description="Longest text field of a form, in KB; files do not count.",
    )
    max_heavy_mb: int = Field(
        1024,
        ge=64,
        le=10**6,
        description="Memory for reading and writing whole volumes, corrections and reports, all requests "
        "together, in MB; those that find none wait.",
    )
    max_queued: int = Field(
        200,
        ge=1,
        le=10**6,
        description="Most cases that may wait; further uploads are asked to come later.",
    )
    cases_per_hour: int = Field(
        0,
        ge=0,
        le=10**6,
        description="Most cases that one user or address may upload an hour; 0: no limit.",
    )
    disk_reserve_mb: int = Field(
        512,
        ge=0,
        le=MOST_MB,
        description="Uploads are refused when the disk would have less than this free.",
    )
    client_timeout_s: float = Field(
        30,
        gt=0,
        le=86_400,
        description="Longest silence of a client in the middle of a request (gunicorn).",
    )
    min_client_kb_s: float = Field(
        1,
        ge=0,
        # A gigabyte a second.
        le=10**6,
        description="Slowest upload that is waited for, on average after `BTS_CLIENT_TIMEOUT_S`.",
    )
    retention_hours: float = Field(
        0,
        ge=0,
        # A hundred years, which is well within what dates can be counted back.
        le=876_600,
        description="Cases are deleted this long after their upload; 0 keeps them.",
    )
    show_patients: bool = Field(
        True,
        description="Whether pages and REST show name, identifier, birth date and study of the patient, "
        "where scans came as DICOM, and dates of studies; results in DICOM have them anyway.",
    )
    audit_file_mb: int = Field(
        100,
        ge=1,
        le=10**6,
        description="Size at which `audit.log` is moved away, to `audit.log.1`, and begun anew, in MB.",
    )
    audit_required: bool = Field(
        False,
        description="Whether downloads and readings are refused while their line cannot be written to the "
        "audit log, as on a full disk.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severity that is logged."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="`text` for people, or one line of `json` for each entry."
    )

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in BROKERS:
            raise ValueError(f"is no URL that begins with {', '.join(BROKERS)}")
        return value

    @field_validator("database_url")
    @classmethod
    def _valid_url(cls, value: str) -> str:
        wanted = "is not a database URL such as postgresql://host/name or sqlite:////folder/file"
        if not value:
            return value
        try:
            driver = make_url(value).drivername
        except ArgumentError as error:
            raise ValueError(wanted) from error
        if driver not in DRIVERS:
            raise ValueError(wanted)
        return value

    @model_validator(mode="after")
    def _able_to_scale_out(self) -> "Settings":
        postgresql = self.sqlalchemy_url.get_backend_name() == "postgresql"
        if self.broker_url and not postgresql:
            raise ValueError("BTS_BROKER_URL needs PostgreSQL in BTS_DATABASE_URL")
        needed = {"celery": bool(self.broker_url), "psycopg": postgresql}
        missing = [name for name, used in needed.items() if used and find_spec(name) is None]
        if missing:
            raise ValueError(f"{', '.join(missing)} is not installed: uv sync --extra scale")
        return self

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @property
    def limits(self) -> Limits:
        """Limits on one uploaded scan."""
        return Limits(max_voxels=self.max_voxels)

    @property
    def sqlalchemy_url(self) -> URL:
        """The database's URL, with the default filled in."""
        if self.database_url:
            url = make_url(self.database_url)
            plain = url.drivername in ("postgresql", "postgres")
            return url.set(drivername="postgresql+psycopg") if plain else url
        return URL.create("sqlite", database=str(self.data_dir.resolve() / "cases.sqlite"))

    @property
    def engine_options(self) -> dict[str, Any]:
        """Options of SQLAlchemy's engine."""
        # Errors are logged; the values of a statement may hold names of patients and files.
        options = {"hide_parameters": True}
        if self.sqlalchemy_url.get_backend_name() != "postgresql":
            return options
        # Servers may drop connections, or not answer at all.
        return options | {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_S}}


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the environment; `overrides` (field name -> value) win.

    Raises StartupError that lists every unknown name and every value that does not fit.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted({n for n in os.environ if n.upper().startswith(PREFIX)} - known)
    problems = [f"{name}: no such setting" for name in unknown]
    try:
        settings = Settings(**(overrides or {}))
    except ValidationError as error:
        # Values are left out: one of them may be the access token.
        problems += [f"{_setting_name(e['loc'])}: {e['msg']}" for e in error.errors()]
    if problems:
        raise StartupError(
            "Settings are wrong:\n  "
            + "\n  ".join(problems)
            + f"\nKnown: {', '.join(sorted(known))}"
        )
    return settings


def settings() -> Settings:
    """Return the settings of the current app."""
    return current_app.config["SETTINGS"]


def settings_table() -> str:
    """Return the settings as a Markdown table: name, default, meaning."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    # What is inherited would come first.
    parts = (AccessSettings.model_fields, DicomSettings.model_fields)
    names = sorted(Settings.model_fields, key=lambda name: [name in part for part in parts[::-1]])
    for name in names:
        field = Settings.model_fields[name]
        default = field.default.get_secret_value() if name == "access_token" else field.default
        shown = "" if default in ("", None) else f"`{default}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)


def _setting_name(location: tuple) -> str:
    return PREFIX + str(location[0]).upper() if location else "settings"
