"""Settings of the DICOM node: who may send studies, and where results go."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, field_validator, model_validator

# An AE title: up to 16 visible characters; no backslash (DICOM PS3.5 6.2), nor what separates it here.
TITLE = r"(?P<title>[!-+\--?A-\[\]-~]{1,16})"
PEER = re.compile(rf"{TITLE}@(?P<host>[^@\s,]+)")
ARCHIVE = re.compile(rf"{TITLE}@(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^@:\s\[\]]+)):(?P<port>\d{{1,5}})")  # fmt: skip


@dataclass(frozen=True)
class Peer:
    """Who may send: an AE title, and the host (address or name) that it has to come from."""

    title: str
    host: str


@dataclass(frozen=True)
class DicomArchive:
    """An archive that takes results by C-STORE; `name` is how the setting has it."""

    name: str
    title: str
    host: str
    port: int


@dataclass(frozen=True)
class WebArchive:
    """An archive that takes results by STOW-RS.

    name : base address without user and password
    login : user and password of the address, None without
    """

    name: str
    login: tuple[str, str] | None = None


class DicomSettings(BaseModel):
    """The part of `app.config.Settings` that is about the DICOM node."""

    dicom_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port on which DICOM studies are received (C-ECHO, C-STORE); 0: none. See "
        "docs/dicom.md.",
    )
    dicom_host: str = Field(
        "127.0.0.1",
        description="Address of this machine on which that port is opened; `0.0.0.0` means all. DICOM "
        "is not encrypted.",
    )
    dicom_ae_title: str = Field(
        "MOBILEUNET", description="AE title of this server, as receiver and as sender."
    )
    dicom_peers: str = Field(
        "",
        description="Who may send studies, comma-separated, each as `AET@host`: the AE title has to "
        "come from this address or name. Everybody else is refused.",
    )
    dicom_send_to: str = Field(
        "",
        max_length=300,
        description="Archive that gets results by C-STORE, as `AET@host:port`.",
    )
    dicomweb_url: str = Field(
        "",
        max_length=300,
        description="Archive that gets results by STOW-RS: base address of its DICOMweb service; may "
        "hold user and password.",
    )

    @field_validator("dicom_ae_title")
    @classmethod
    def _an_ae_title(cls, value: str) -> str:
        if not re.fullmatch(TITLE, value):
            raise ValueError(
                "is no AE title: 1 to 16 characters without spaces, @, comma, backslash"
            )
        return value

    @field_validator("dicom_peers")
    @classmethod
    def _all_peers(cls, value: str) -> str:
        if not all(PEER.fullmatch(peer) for peer in _listed(value)):
            raise ValueError("is no list of AET@host, separated by commas")
        return value

    @field_validator("dicom_send_to")
    @classmethod
    def _an_archive(cls, value: str) -> str:
        found = ARCHIVE.fullmatch(value)
        if value and not (found and 0 < int(found["port"]) < 65536):
            raise ValueError("is not of the form AET@host:port")
        return value

    @field_validator("dicomweb_url")
    @classmethod
    def _a_base_address(cls, value: str) -> str:
        try:
            url = urlsplit(value)
            wrong = url.scheme not in ("http", "https") or not url.hostname or url.port == 0
        except ValueError:
            wrong = True
        if value and (wrong or url.query or url.fragment):
            raise ValueError("is not an address such as https://host/dicom-web")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _somebody_may_send(self) -> "DicomSettings":
        if self.dicom_port and not self.senders:
            raise ValueError("BTS_DICOM_PORT needs BTS_DICOM_PEERS, which says who may send")
        return self

    @property
    def senders(self) -> tuple[Peer, ...]:
        """Who may send studies."""
        return tuple(Peer(**PEER.fullmatch(peer).groupdict()) for peer in _listed(self.dicom_peers))

    @property
    def archives(self) -> tuple[DicomArchive | WebArchive, ...]:
        """Where results go; none if no archive is named."""
        found: list[DicomArchive | WebArchive] = []
        if self.dicom_send_to:
            parts = ARCHIVE.fullmatch(self.dicom_send_to)
            host = parts["ipv6"] or parts["host"]
            found.append(DicomArchive(self.dicom_send_to, parts["title"], host, int(parts["port"])))
        if self.dicomweb_url:
            url = urlsplit(self.dicomweb_url)
            name = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
            login = (unquote(url.username), unquote(url.password or "")) if url.username else None
            found.append(WebArchive(name, login))
        return tuple(found)


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
