"""The OpenTelemetry context that is current goes along, if OpenTelemetry is there."""

from __future__ import annotations

import re

# What gRPC carries as text.
_NAME = re.compile(r"[0-9a-z_.-]+(?<!-bin)")
_VALUE = re.compile(r"[\x20-\x7e]+")
# As much as gRPC lets all metadata of a call have.
_MOST = 8 << 10

try:
    from opentelemetry.propagate import inject
except ImportError:

    def trace_metadata() -> list[tuple[str, str]]:
        """Nothing."""
        return []

else:

    def trace_metadata() -> list[tuple[str, str]]:
        """What the propagator that is set makes of the current context, as far as gRPC can carry it."""
        carrier: dict[str, str] = {}
        inject(carrier)
        metadata = [(name.lower(), value) for name, value in carrier.items()]
        metadata = [(name, value) for name, value in metadata if _NAME.fullmatch(name) and _VALUE.fullmatch(value)]
        return metadata if sum(len(name) + len(value) for name, value in metadata) <= _MOST else []
