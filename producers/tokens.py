"""`tokens`: a text, streamed as a language model would: a pause, then a few characters at a time."""

from __future__ import annotations

import math
import random
import re
from collections.abc import AsyncGenerator
from itertools import chain, cycle, islice
from typing import Final

from pydantic import Field

from streamlanes.producers.events import Item
from streamlanes.producers.producer import Context, Params, Producer

MAX_TEXT: Final = 400_000
MAX_TOKENS: Final = 100_000

# Together the alternatives match every character, so the tokens joined are the text.
_TOKEN = re.compile(r" ?[^\W_]{1,8}|\s+|.", re.DOTALL)

SAMPLE: Final = """\
A stream is a promise: what happened first will be told first, and nothing in between will go missing. Three old ways \
keep it over the web, each of them differently.

Server-sent events are a letter that is never finished. The server opens an ordinary response, and goes on writing for \
as long as there is something to say. Every line goes through proxies and caches like any other page, which is a \
blessing when they let it pass and a riddle when one of them decides to wait for the end. If the line breaks, the \
browser calls again and says which event it saw last.

A WebSocket is a telephone call. Both sides may talk at any time, nobody pays for headers twice, and each message \
comes with its own small envelope. But somebody has to notice that the other end has gone, somebody has to dial \
again, and the two must agree on where they were when the line went dead.

Long polling is asking, patiently. The question waits at the server until there is an answer, or until it has \
waited long enough; then it is asked again. Done badly, it costs a round trip for every word and loses whatever was \
on the way when the connection broke. Done well, the answer holds everything that has gathered since the last \
question, a lost answer is simply asked for again, and every proxy lets it pass.

Which one should you use? Not the one with the finest name. Put the traffic you really have \
through all of them, count what arrives, and look at the slowest answers first.
"""


class TokensParams(Params):
    """Parameters of `tokens`."""

    text: str = Field(SAMPLE, min_length=1, max_length=MAX_TEXT)
    count: int | None = Field(None, ge=1, le=MAX_TOKENS)
    """Number of tokens, the text over and over; without it, the text once."""
    rate: float = Field(50.0, ge=0.1, le=10_000)
    """Tokens per second, on average."""
    ttft: float = Field(0.3, ge=0, le=60)
    """Seconds to the first token, on average."""
    sigma: float = Field(0.5, ge=0, le=2)
    """Spread of the times: the standard deviation of their logarithm; 0 makes them all alike."""
    seed: int = Field(1, ge=0, le=2**63 - 1)


def split(text: str) -> list[str]:
    """Cut *text* into tokens: pieces of words up to eight characters, with the space before them; marks; white space.

    Nothing is lost: joined, they are *text*.
    """
    return _TOKEN.findall(text)


async def tokens(params: TokensParams, context: Context) -> AsyncGenerator[Item, None]:
    """Yield the text's tokens, each due a lognormal time after the one before; the same ones for the same seed.

    The lognormal's parameters are mu = ln(mean) - sigma**2 / 2 and sigma, which gives it that mean
    (https://en.wikipedia.org/wiki/Log-normal_distribution).
    """
    # Simulated model timing, not cryptography.
    rng = random.Random(params.seed)  # noqa: S311
    means = chain([params.ttft], cycle([1 / params.rate]))
    pieces = split(params.text)
    due = context.start_ns
    for piece, mean in zip(islice(cycle(pieces), params.count or len(pieces)), means, strict=False):
        if mean > 0:
            due += round(rng.lognormvariate(math.log(mean) - params.sigma**2 / 2, params.sigma) * 1e9)
        yield Item(piece, due_ns=due)


PRODUCER: Final = Producer("tokens", TokensParams, tokens)
