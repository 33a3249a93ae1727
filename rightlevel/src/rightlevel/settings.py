"""Typed settings, read once at the start; only assembly and commands read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

MEGABYTE = 1_000_000


class Settings(msgspec.Struct, frozen=True):
    """What an operator may choose. Sizes in bytes, times in seconds."""

    data_folder: Path = Path("data")
    memory_bytes: int = 150 * MEGABYTE
    host: str = "127.0.0.1"
    port: int = 8000
    pool_connections: int = 3
    pool_waiting: int = 64
    """Requests that may wait for one of them; who comes beyond is told to come back."""
    connect_s: float = 5.0
    acquire_s: float = 5.0
    statement_s: float = 30.0
    lock_s: float = 5.0
    idle_in_transaction_s: float = 30.0
    idle_close_s: float = 60.0
    network_silence_s: float = 10.0
    drain_s: float = 10.0
    """What requests under way get to finish when the service ends or a worker is replaced."""
    keep_alive_s: int = 75
    http_connections: int = 1_000
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    pooler: Literal["none", "plain", "keeps_statements"] = "none"
    """Whether DATABASE_URL leads through a pooler in transaction mode (PgBouncer), and whether that keeps prepared statements."""
    valkey_url: str = ""
    """A Valkey or Redis server that several hosts share: allowances and a second level of the caches. Nothing needs it."""
    replica_url: str = ""
    """A replica of the database from which files are taken out, where it is as far as the primary. Nothing needs it."""
    session_idle_s: float = 14 * 86_400
    session_life_s: float = 90 * 86_400
    cookie_is_secure: Literal["auto", "true", "false"] = "auto"
    """Whether cookies go over https only: `auto` where https is, and wherever the service is asked for by another name than this machine's own."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose word is taken for where a request came from (Forwarded, X-Forwarded-For, X-Forwarded-Proto); nobody's else is."""
    cron_secret: str = ""
    """What a scheduler outside shows to set off a clean-up; without one there is no such address."""
    alert_webhook_secret: str = ""
    """Where alerts are posted as JSON; the address itself is the secret with most chat services."""
    alert_mail_host: str = "localhost"
    alert_mail_from: str = ""
    alert_mail_to: tuple[str, ...] = ()
    alert_mail_user: str = ""
    alert_mail_secret: str = ""
    webhooks_internal: tuple[str, ...] = ()
    """Hosts (`host` or `host:port`) inside one's own network that webhooks may lead to, also by http; all others lead outside, by https."""
    files_folder: str = ""
    """Where photos and the library's files lie instead of the data folder: one folder that all hosts of a database share."""
    photo_store_address: str = ""
    """Of an S3-compatible store; without one, photos lie in a folder."""
    photo_store_bucket: str = ""
    photo_store_region: str = "us-east-1"
    photo_store_key_id: str = ""
    photo_store_secret: str = ""
    backup_secret: str = ""
    """Signs backups and is asked for at their restoring, so that a change is told from damage; keep it elsewhere than they are."""
    audit_months: int = 24
    """So many whole months of the audit are kept in the database beside the present one; 0 keeps it for ever."""
    audit_archive: bool = True
    """Whether a month is written to a file in the data folder before it is taken out of the database."""
    trusted_origins: tuple[str, ...] = ()
    """Addresses under which a proxy shows this service, when they differ from the Host header."""

    def __repr__(self) -> str:
        # An address may carry a password.
        hidden = {
            name
            for name in self.__struct_fields__
            if "secret" in name or name in ("valkey_url", "replica_url")
        }
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name not in hidden}
        return f"Settings({shown})"


def read_settings(environment: Mapping[str, str] | None = None, **chosen: object) -> Settings:
    """Settings from RIGHTLEVEL_* variables, overridden by what was chosen on the command line.

    *Errors*: ValueError naming the variable whose value has the wrong form.
    """
    environment = os.environ if environment is None else environment
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    values: dict[str, object] = {}
    for name in fields:
        variable = f"RIGHTLEVEL_{name.upper()}"
        if variable in environment:
            values[name] = (
                environment[variable].split(",")
                if name in ("trusted_origins", "trusted_proxies", "alert_mail_to", "webhooks_internal")
                else environment[variable]
            )
    values |= {name: value for name, value in chosen.items() if value is not None}
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise ValueError(
            f"A setting has the wrong form: {error} (from RIGHTLEVEL_* or the command line)"
        ) from error


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)
