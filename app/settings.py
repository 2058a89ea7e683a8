"""One frozen ``Settings``: command-line flags over ``JJT_…`` variables over defaults. Units in the names."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1 << 20
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,]+")


class Settings(BaseSettings):
    """What the team that hosts the service can set; each field has a variable ``JJT_`` + its name."""

    model_config = SettingsConfigDict(env_prefix="JJT_", frozen=True, extra="forbid")

    registry: Annotated[tuple[Path, ...], NoDecode] = Field(
        (Path("registry"),), description="folders of functions, separated by colons"
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65_535, description="port to listen on")
    data: Path = Field(Path(".jjt"), description="folder for what is kept between starts")
    memory_bytes: int | None = Field(
        None, gt=0, description="memory that one computation may use; default: half of the device's"
    )
    block_seconds: float = Field(0.1, gt=0, le=60, description="predicted seconds of one block")
    max_body_bytes: int = Field(
        256 * MIB, gt=0, description="largest request body, raw and as what it expands to"
    )
    max_answer_bytes: int = Field(
        1024 * MIB, gt=0, description="largest matrix that is answered in one piece, out of memory"
    )
    stream_bytes: int = Field(
        16 * MIB, gt=0, description="matrices of this size or more are streamed, in binary formats"
    )
    max_stream_bytes: int = Field(65_536 * MIB, gt=0, description="largest matrix that is streamed")
    deadline_seconds: float = Field(
        300.0, gt=0, le=86_400, description="seconds that a request may take unless it says otherwise"
    )
    queue_seconds: float = Field(
        30.0, gt=0, le=86_400, description="predicted seconds of work that a request may have to wait for"
    )
    queue_bytes: int = Field(
        4096 * MIB, gt=0, description="bodies and answers that are held at once; one alone may be larger"
    )
    connections: int = Field(4096, gt=0, description="connections that are served at a time")
    head_seconds: float = Field(10.0, gt=0, description="seconds for the head of a request to be complete")
    stall_seconds: float = Field(
        30.0, gt=0, description="seconds without a byte of a body, or of an answer, before the client is left"
    )
    drain_seconds: float = Field(
        25.0, ge=0, description="seconds for the answers under way at SIGTERM; orchestrators often kill at 30"
    )
    executables: int = Field(256, gt=0, description="compiled programs that are held in memory, at most")
    compiled_bytes: int = Field(
        256 * MIB, gt=0, description="compiled programs that are kept between starts, on disk"
    )
    keys: Path | None = Field(None, description="file of the keys that requests are asked for; none: no keys")
    cors_origins: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None, description="origins whose pages may ask from a browser, between commas; * for all"
    )
    reload: bool = Field(True, description="watch the registry and reload functions when files change")
    log: Literal["console", "json"] = Field("console", description="form of the log lines")

    @field_validator("registry", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(Path(part) for part in value.split(":") if part) if isinstance(value, str) else value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        origins = tuple(part for part in (part.strip() for part in value.split(",")) if part)
        for origin in origins:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin such as https://lab.example or http://localhost:3000"
                )
        return origins or None
