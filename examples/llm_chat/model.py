"""A stand-in for a model's API: it repeats the last message, word by word, in the form of OpenAI's chat completions."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()
SECONDS = float(os.environ.get("PARROT_SECONDS", "0.08"))
"""Seconds between two words."""


@app.post("/v1/chat/completions")
async def completions(request: dict[str, Any]) -> StreamingResponse:
    """Answer as a model would, with what was said to it."""
    words = f"You said: {request['messages'][-1]['content']}".split(" ")
    return StreamingResponse(_chunks(words), media_type="text/event-stream")


async def _chunks(words: list[str]) -> AsyncIterator[str]:
    for n, word in enumerate(words):
        delta = {"content": word if n == 0 else f" {word}"}
        yield f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta, 'finish_reason': None}]})}\n\n"
        await asyncio.sleep(SECONDS)
    yield f"data: {json.dumps({'choices': [{'index': 0, 'delta': {}, 'finish_reason': 'stop'}]})}\n\n"
    yield "data: [DONE]\n\n"
