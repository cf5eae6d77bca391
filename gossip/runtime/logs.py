"""Structured logs: one line of `key=value` pairs for each event that matters, on standard error.

Our own events come from structlog, those of libraries from `logging`; both end in the same line.
"""

import logging
import sys
from typing import Final

import structlog
from structlog.typing import Processor

_LEVELS_OF_LIBRARIES: Final = {
    # A line for each connection or refused request is one that strangers can make us write.
    "daphne": logging.ERROR,
    # A traceback each second while Redis is away, of which `gossip.relay` tells once.
    "channels_redis.pubsub": logging.CRITICAL,
    "django.channels.server": logging.ERROR,
    "django.request": logging.ERROR,
    # Odd requests come with a traceback.
    "django.security": logging.CRITICAL,
    "django.server": logging.ERROR,
    "uvicorn.access": logging.ERROR,
    "websockets": logging.CRITICAL,
    # Every statement, and it would stand there twice.
    "django.db.backends": logging.INFO,
    # Debugging ourselves should not bring the event loop's own lines.
    "asyncio": logging.WARNING,
}

_COMMON: Final[tuple[Processor, ...]] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # A traceback becomes one value, its line ends escaped: still one line.
    structlog.processors.format_exc_info,
)


def configure(level: str) -> None:
    """Write what is at or above `level`, a name of `logging` in any case. May be called again."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_COMMON,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_COMMON, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, threshold in _LEVELS_OF_LIBRARIES.items():
        logging.getLogger(name).setLevel(threshold)
    logging.getLogger("django.request").addFilter(_tells_of_a_defect)


def _tells_of_a_defect(record: logging.LogRecord) -> bool:
    """Whether a view raised what it should not.

    Django logs every 503 as an error: a line for each probe of a node that is not ready, and for
    each write refused while the disk is full.
    """
    return record.exc_info is not None
