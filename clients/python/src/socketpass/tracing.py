"""The OpenTelemetry context that is current goes along, if OpenTelemetry is there."""

from __future__ import annotations

try:
    from opentelemetry.propagate import inject
except ImportError:

    def trace_metadata() -> list[tuple[str, str]]:
        """Nothing."""
        return []

else:

    def trace_metadata() -> list[tuple[str, str]]:
        """What the propagator that is set makes of the current context."""
        carrier: dict[str, str] = {}
        inject(carrier)
        # gRPC takes names in lower case alone.
        return [(name.lower(), value) for name, value in carrier.items()]
