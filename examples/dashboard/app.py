"""A dashboard that is two-way: figures come down, and what the page asks for goes up, over one WebSocket."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Annotated, Literal

from fastapi import FastAPI
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field, ValidationError

from streamlanes import Item
from streamlanes.producers.producer import Context, Params, Producer
from streamlanes.transports import StreamService, mount

SERIES: dict[str, Callable[[float], float]] = {
    "sine": math.sin,
    "cosine": math.cos,
    "sawtooth": lambda x: x / math.pi % 2 - 1,
}


class Command(BaseModel):
    """What the page asks for."""

    series: Literal["sine", "cosine", "sawtooth"] = "sine"
    rate: Annotated[float, Field(ge=0.5, le=50)] = 5.0
    """Figures per second."""


async def figures(params: Params, context: Context) -> AsyncGenerator[Item, None]:
    """Yield figures at the rate that was asked for last, until the page has gone."""
    command = Command()
    due = time.monotonic()
    while True:
        due += 1 / command.rate
        try:
            asked = await asyncio.wait_for(context.inbox.get(), max(due - time.monotonic(), 0))
        except TimeoutError:
            value = SERIES[command.series](due)
            yield Item({"series": command.series, "value": round(value, 3)})
            continue
        due = time.monotonic()
        try:
            command = Command.model_validate(asked)
        except ValidationError as error:
            yield Item(str(error.errors()[0]["msg"]), type="refused")
        else:
            yield Item(command.model_dump(), type="settings")


app = FastAPI()
mount(app, "/streams", StreamService(producers={"figures": Producer("figures", Params, figures)}))


@app.get("/")
async def page() -> FileResponse:
    """Return the page."""
    return FileResponse(Path(__file__).with_name("index.html"))
