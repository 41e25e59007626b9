"""A chat: what a language model answers, streamed to the page, which survives a reload."""

import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse

from streamlanes.producers.upstream import relay
from streamlanes.producers.upstream.endpoint import Endpoint
from streamlanes.transports import StreamService, mount

app = FastAPI()

# Any API with OpenAI's chat completions; `model.py` is one that only repeats what it is told. The key stays here.
chat = Endpoint(
    url=os.environ.get("CHAT_URL", "http://127.0.0.1:8001/v1/chat/completions"),
    key=os.environ.get("CHAT_KEY"),
    body={"model": os.environ.get("CHAT_MODEL", "parrot")},
)
mount(app, "/streams", StreamService(producers={"chat": relay.producer({"chat": chat})}))


@app.get("/")
async def page() -> FileResponse:
    """Return the page."""
    return FileResponse(Path(__file__).with_name("index.html"))
