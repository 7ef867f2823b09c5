"""JSON logs on standard output: a sentence and fields. Never a complaint's text, never a person's data, never a record's values."""

import logging
import sys
import traceback
from typing import Any

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(service: str, level: str = "info") -> None:
    """One JSON object a line; the libraries' own loggers pass the same way, without their exceptions' messages."""
    number = _LEVELS.get(level, logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer(ensure_ascii=False)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, logging.WARNING))


def _without_values(_logger: Any, _name: str, event: Any) -> Any:
    """Exceptions keep their frames and lose their message: asyncpg and pydantic quote the input in it."""
    given = event.pop("exc_info", None)
    if given:
        error = given if isinstance(given, BaseException) else (given[1] if isinstance(given, tuple) else sys.exc_info()[1])
        if error is not None:
            event["error"] = type(error).__name__
            event["frames"] = frames(error)
    # asyncio quotes a lost exception's message below its first line.
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def frames(error: BaseException) -> list[str]:
    """Where it happened, innermost last, without message or values."""
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-8:]]


def get_logger() -> Any:
    return structlog.get_logger()
