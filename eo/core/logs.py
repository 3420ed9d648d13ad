"""Structured logs: standard `logging`, each line with its scene_id, JSON by flag."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
from collections.abc import Iterator
from contextvars import ContextVar

from eo.core.redaction import redacted

__all__ = ["configure_logs", "scene_logs"]

_scene_id: ContextVar[str | None] = ContextVar("scene_id", default=None)


@contextlib.contextmanager
def scene_logs(scene_id: str) -> Iterator[None]:
    """Mark every line logged inside as belonging to `scene_id`."""
    token = _scene_id.set(scene_id)
    try:
        yield
    finally:
        _scene_id.reset(token)


class _SceneFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "scene_id"):
            record.scene_id = _scene_id.get()
        return True


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "scene_id": getattr(record, "scene_id", None),
            "message": redacted(record.getMessage()),
        }
        kind = getattr(record, "kind", None)
        if kind is not None:
            line["kind"] = kind
        if record.exc_info:
            line["exception"] = redacted(self.formatException(record.exc_info))
        return json.dumps(line)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        scene_id = getattr(record, "scene_id", None)
        where = f" [{scene_id}]" if scene_id else ""
        text = f"{record.levelname.lower()}{where} {record.getMessage()}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return redacted(text)


def configure_logs(*, json_lines: bool = False, verbose: bool = False) -> None:
    """Send the package's logs to standard error, once, as text or as JSON lines."""
    handler = logging.StreamHandler()
    handler.addFilter(_SceneFilter())
    handler.setFormatter(_JsonFormatter() if json_lines else _TextFormatter())
    logger = logging.getLogger("eo")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
