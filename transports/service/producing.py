"""A session's producer at work: its items go into the log, and whatever it does, its end has an outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from pathlib import Path

from streamlanes.producers.events import Item, Outcome
from streamlanes.producers.pacing.journal import Journal
from streamlanes.producers.pacing.pacers import Pacer
from streamlanes.producers.pacing.pump import Appender, pump
from streamlanes.transports.service.sessions import Session

logger = logging.getLogger("streamlanes")


async def produce(
    items: AsyncGenerator[Item, None], session: Session, log: Appender, *, pacer: Pacer, journal: Path | None
) -> Outcome:
    """Append *items* to the stream of *session* until they end, and return how.

    *journal*: a directory to leave the stream's journal in. Raises CancelledError if the session was stopped.
    """
    try:
        with nullcontext() if journal is None else Journal(journal, session.cursor.epoch) as kept:
            await pump(items, log, session.id, pacer=pacer, journal=kept)
    except Exception:  # the border to other people's code: whatever it raises, its readers must learn of the end
        logger.exception("producer failed", extra=session.fields)
        return Outcome.FAILED
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody has stopped it: it awaited something that was cancelled.
        logger.exception("producer was cancelled", extra=session.fields)
        return Outcome.FAILED
    return Outcome.COMPLETED
