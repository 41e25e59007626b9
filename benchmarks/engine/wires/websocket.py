"""WebSocket: a JSON object a text message."""

from __future__ import annotations

import time
from typing import Final

import aiohttp
from yarl import URL

from benchmarks.engine.decoding import Events, Fault, Lost, Place
from benchmarks.engine.json_message import take_message
from benchmarks.engine.recorder import Recorder
from benchmarks.engine.sending import FRAME, Sender, sending
from producers.wire import WEBSOCKET

# 1000 is what aiohttp has for a connection that ended without a close frame, too.
_LOST: Final = {
    None,
    aiohttp.WSCloseCode.OK,
    aiohttp.WSCloseCode.GOING_AWAY,
    aiohttp.WSCloseCode.ABNORMAL_CLOSURE,
    aiohttp.WSCloseCode.SERVICE_RESTART,
    aiohttp.WSCloseCode.TRY_AGAIN_LATER,
}


class WebSocketDecoder:
    """A message is whole; the WebSocket library has seen to that."""

    def __init__(self) -> None:
        self.place = Place()

    def feed(self, message: bytes) -> Events:
        events = Events([], [])
        take_message(message, self.place, events.offsets, events.data)
        return events


class WebSocketReader:
    """Reads WebSocket lanes."""

    wire = WEBSOCKET
    way_up = FRAME

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        decoder = WebSocketDecoder()
        try:
            # decode_text=False: text as the bytes it is. compress=0: compression is off on every lane.
            async with (
                http.ws_connect(url, compress=0, autoping=True, decode_text=False, max_msg_size=0) as socket,
                sending(sender, socket.send_str),
            ):
                while True:
                    message = await socket.receive()
                    received_ns = time.monotonic_ns()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    recorder.take(received_ns, decoder.feed(message.data))
                code = socket.close_code
        finally:
            recorder.close(decoder.place)
        if decoder.place.outcome is None or code != aiohttp.WSCloseCode.OK:
            ended = f"the server closed the WebSocket with {code} ({str(message.extra or '')[:200]})"
            raise Lost(ended) if code in _LOST else Fault(ended)


READER: Final = WebSocketReader()
