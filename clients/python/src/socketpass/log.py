"""The client's log. What goes on failing is told now and then, not at each try."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable

_SAID_AGAIN_AFTER = 60.0

logger = logging.getLogger("socketpass")


class Causes:
    """Warns of each cause at most once a minute, whatever comes between."""

    def __init__(self) -> None:
        self._told: dict[Hashable, float] = {}

    def warn(self, cause: Hashable, message: str, *args: object, error: BaseException | None = None) -> None:
        """Warns, unless this cause was told a moment ago; with the traceback of an error that explains it."""
        now = time.monotonic()
        self._told = {told: at for told, at in self._told.items() if now < at + _SAID_AGAIN_AFTER}
        if cause not in self._told:
            self._told[cause] = now
            logger.warning(message, *args, exc_info=error)
