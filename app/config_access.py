"""Settings of who may reach the server, and by which names."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

LEAST_TOKEN = 16
LEAST_DIFFERENT = 8
# What people type along.
RUNS = (
    "0123456789",
    "0123456789abcdef",
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789abcdefghijklmnopqrstuvwxyz",
)
MAKE_TOKEN = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'


class AccessSettings(BaseModel):
    """The part of `app.config.Settings` that is about access."""

    access_token: SecretStr = Field(
        SecretStr(""),
        description="If set, every page and call but `/healthz` asks for it; one that is easily guessed "
        "is refused.",
    )
    access: Literal["auto", "token", "open"] = Field(
        "auto",
        description="Who needs a token or a login: `auto` all but this machine itself, `token` "
        "everybody, `open` nobody, for a proxy that asks itself; once there are named users, "
        "everybody.",
    )
    trusted_hosts: str = Field(
        "",
        description="Names by which the server may be asked, comma-separated; empty means any. A "
        "leading dot stands for all names below.",
    )
    public_url: str = Field(
        "",
        description="Address by which others reach the server, for links with which to sign in; empty "
        "means host name and port.",
    )
    proxy_hops: int = Field(
        0,
        ge=0,
        le=16,
        description="Proxies in front whose `X-Forwarded-For`, `-Proto` and `-Host` are believed.",
    )

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("is not an address such as https://host")
        return value.rstrip("/")

    @field_validator("access_token")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if token and len(token) < LEAST_TOKEN:
            raise ValueError(f"must have at least {LEAST_TOKEN} characters, as {MAKE_TOKEN} makes")
        if token and is_weak(token):
            raise ValueError(f"is easily guessed; {MAKE_TOKEN} makes one that is not")
        return value

    @property
    def trusted_host_list(self) -> list[str]:
        """The host names that are accepted; none means any."""
        return [name.strip() for name in self.trusted_hosts.split(",") if name.strip()]


def is_weak(token: str) -> bool:
    """Say whether a token has few different characters, repeats a piece, or is a run such as abc…"""
    repeats = any(token[piece:] == token[:-piece] for piece in range(1, len(token) // 2 + 1))
    # Three times: longer ones repeat a piece.
    typed = token.lower()
    is_run = any(typed in run * 3 or typed[::-1] in run * 3 for run in RUNS)
    return len(set(token)) < LEAST_DIFFERENT or repeats or is_run
