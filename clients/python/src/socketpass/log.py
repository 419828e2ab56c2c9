"""The client's log. What goes on failing is told once, not at each try."""

from __future__ import annotations

import logging
from collections.abc import Hashable

logger = logging.getLogger("socketpass")


class Causes:
    """Warns of each cause once, until all is well again."""

    def __init__(self) -> None:
        self._told: set[Hashable] = set()

    def warn(self, cause: Hashable, message: str, *args: object) -> None:
        """Warns, if this cause has not been told yet."""
        if cause not in self._told:
            self._told.add(cause)
            logger.warning(message, *args)

    def clear(self) -> None:
        """All is well: what comes now is new."""
        self._told.clear()
