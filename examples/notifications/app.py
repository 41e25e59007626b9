"""Notifications: what one request publishes, every open page shows."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from streamlanes import Item
from streamlanes.producers.producer import Context, Params, Producer
from streamlanes.transports import SharedStream, StreamService, mount


class Notification(BaseModel):
    """What is published."""

    text: Annotated[str, Field(min_length=1, max_length=500)]


published: asyncio.Queue[Notification] = asyncio.Queue(maxsize=1_000)


async def notifications(params: Params, context: Context) -> AsyncGenerator[Item, None]:
    """Yield what is published, for ever: one stream, however many read it."""
    while True:
        yield Item((await published.get()).model_dump())


app = FastAPI()
service = StreamService(
    producers={"notifications": Producer("notifications", Params, notifications)},
    shared=[SharedStream(name="all", producer="notifications", params={})],
)
mount(app, "/streams", service)


@app.post("/notifications", status_code=202)
async def publish(notification: Notification) -> None:
    """Publish to all readers."""
    try:
        published.put_nowait(notification)
    except asyncio.QueueFull:
        raise HTTPException(503, "too many at once; try again", headers={"Retry-After": "1"}) from None


@app.get("/")
async def page() -> FileResponse:
    """Return the page."""
    return FileResponse(Path(__file__).with_name("index.html"))
