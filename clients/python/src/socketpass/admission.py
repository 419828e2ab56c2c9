"""What becomes of a decision: `on_unavailable`, then the application's own say."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from typing import Literal

from socketpass.decision import DENIED, SERVICE_UNAVAILABLE, Decision, Reason, anonymous, rejection
from socketpass.errors import Refused
from socketpass.handshake import Handshake
from socketpass.log import logger
from socketpass.settings import Hook


class Admission:
    """Who is let in."""

    def __init__(
        self,
        *,
        timeout: float,
        on_unavailable: Literal["reject", "accept"],
        success: Hook | None,
        fail: Hook | None,
    ) -> None:
        self._timeout = timeout
        self._accept_unasked = on_unavailable == "accept"
        self._success = success
        self._fail = fail

    async def decide(self, handshake: Handshake, decision: Decision) -> Decision:
        """The decision that counts."""
        if decision.accepted:
            return await self._ask_success(handshake, decision)
        if decision.is_fault and self._accept_unasked:
            return _let_in(decision)
        return await self._ask_fail(handshake, decision)

    async def _ask_success(self, handshake: Handshake, decision: Decision) -> Decision:
        try:
            say = await self._ask(self._success, handshake, decision)
        except Refused as refusal:
            close = refusal.close or DENIED
            return rejection(Reason.DENIED_BY_POLICY, refusal.message, error=False, close=close)
        except Exception:
            logger.exception("the hook `success` failed")
            return rejection(Reason.UNSPECIFIED, "Authorization failed", error=True, close=SERVICE_UNAVAILABLE)
        if say is False:
            return rejection(Reason.DENIED_BY_POLICY, "Denied by the application", error=False, close=DENIED)
        return decision

    async def _ask_fail(self, handshake: Handshake, decision: Decision) -> Decision:
        try:
            say = await self._ask(self._fail, handshake, decision)
        except Refused as refusal:
            return dataclasses.replace(decision, message=refusal.message, close=refusal.close or decision.close)
        except Exception:
            logger.exception("the hook `fail` failed")
            return decision
        return _let_in(decision) if say is True and not decision.is_mistake else decision

    async def _ask(self, hook: Hook | None, handshake: Handshake, decision: Decision) -> bool | None:
        if hook is None:
            return None
        say = hook(handshake, decision)
        return await asyncio.wait_for(say, self._timeout) if inspect.isawaitable(say) else say


def _let_in(decision: Decision) -> Decision:
    # Reported with its session id, the service would end the socket.
    return dataclasses.replace(decision, accepted=True, user=anonymous(), session_id="", close=None)
