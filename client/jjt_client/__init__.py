"""Ask a jjt service for J(x1) J(x2)ᵀ: arrays in, the matrix out. Needs httpx and NumPy, and no JAX."""

from jjt_client.async_client import AsyncClient
from jjt_client.client import Client
from jjt_client.errors import (
    AnswerTooLarge,
    BodyTooLarge,
    ComputeFailed,
    ConnectionFailed,
    DeadlinePassed,
    DecodeError,
    InvalidInput,
    JJTError,
    NoAnswer,
    NotAcceptable,
    NotApplicable,
    NotReady,
    RequestError,
    ServiceError,
    SpecMismatch,
    TimedOut,
    UnexpectedAnswer,
    UnknownFormat,
    UnknownFunction,
    UnknownVersion,
)
from jjt_client.matrix import Matrix
from jjt_client.messages import Request, build_request, read_response

__all__ = [
    "AnswerTooLarge",
    "AsyncClient",
    "BodyTooLarge",
    "Client",
    "ComputeFailed",
    "ConnectionFailed",
    "DeadlinePassed",
    "DecodeError",
    "InvalidInput",
    "JJTError",
    "Matrix",
    "NoAnswer",
    "NotAcceptable",
    "NotApplicable",
    "NotReady",
    "Request",
    "RequestError",
    "ServiceError",
    "SpecMismatch",
    "TimedOut",
    "UnexpectedAnswer",
    "UnknownFormat",
    "UnknownFunction",
    "UnknownVersion",
    "build_request",
    "read_response",
]
