"""The client's log. What goes on failing is told once, not at each try."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable

# Where one replica of two is broken, every other call is well.
_COMES_AND_GOES = 60.0

logger = logging.getLogger("socketpass")


class Causes:
    """Warns of each cause once, until all is well again."""

    def __init__(self) -> None:
        self._told: dict[Hashable, float] = {}

    def warn(self, cause: Hashable, message: str, *args: object) -> None:
        """Warns, if this cause has not been told yet."""
        if cause not in self._told:
            self._told[cause] = time.monotonic()
            logger.warning(message, *args)

    def clear(self) -> None:
        """All is well. What comes now is new, unless it was told a moment ago: it comes and goes then."""
        if self._told:
            before = time.monotonic() - _COMES_AND_GOES
            self._told = {cause: at for cause, at in self._told.items() if at > before}
