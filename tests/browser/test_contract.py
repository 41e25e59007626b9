"""The contract that every lane keeps, with the browser's client in the place of the Python one: the same tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import pytest
import pytest_asyncio
from playwright.async_api import Page

from streamlanes.clients import Client, EventStream, Options
from streamlanes.contract import test_lanes
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import Fed, sources
from streamlanes.contract.test_lanes import (
    test_a_cursor_that_cannot_be_continued_is_told_before_the_first_event,
    test_a_failed_producer_is_told_at_once_after_its_events,
    test_a_producers_process_that_goes_away_is_told,
    test_a_reader_resumes_from_any_cursor,
    test_a_reader_that_falls_off_the_tail_is_told_what_is_missing,
    test_a_reader_that_leaves_anywhere_goes_on_where_it_was,
    test_a_reader_that_leaves_is_gone_from_the_server,
    test_a_start_on_the_wire_can_be_read_by_its_link,
    test_a_stream_is_read_while_it_grows,
    test_an_event_comes_at_once_and_does_not_wait_for_company,
    test_an_unknown_stream_is_told,
    test_deletion_is_told_to_waiting_and_to_late_readers,
    test_ids_order_types_and_data_are_the_logs,
    test_now_is_what_comes_next,
    test_the_end_reaches_a_reader_at_once,
)
from streamlanes.producers.events import Event
from streamlanes.transports import Settings, SharedStream, StreamService, Transport, baselines, discover
from tests.browser import driver
from tests.browser.driver import BrowserStream

__all__ = [
    "test_a_cursor_that_cannot_be_continued_is_told_before_the_first_event",
    "test_a_failed_producer_is_told_at_once_after_its_events",
    "test_a_producers_process_that_goes_away_is_told",
    "test_a_reader_resumes_from_any_cursor",
    "test_a_reader_that_falls_off_the_tail_is_told_what_is_missing",
    "test_a_reader_that_leaves_anywhere_goes_on_where_it_was",
    "test_a_reader_that_leaves_is_gone_from_the_server",
    "test_a_start_on_the_wire_can_be_read_by_its_link",
    "test_a_stream_is_read_while_it_grows",
    "test_an_event_comes_at_once_and_does_not_wait_for_company",
    "test_an_unknown_stream_is_told",
    "test_deletion_is_told_to_waiting_and_to_late_readers",
    "test_ids_order_types_and_data_are_the_logs",
    "test_now_is_what_comes_next",
    "test_the_end_reaches_a_reader_at_once",
]

pytestmark = pytest.mark.asyncio(loop_scope="session")
TRANSPORTS = discover()
OTHERS = baselines.discover()


async def collect(stream: EventStream, count: int | None = None) -> list[Event]:
    """Read many events by one call in the page."""
    return [] if count == 0 else await cast("BrowserStream", stream).collect(count)


@pytest.fixture(autouse=True)
def _collected_in_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_lanes, "collect", collect)


@pytest.fixture(params=sorted(TRANSPORTS))
def transport(request: pytest.FixtureRequest) -> Transport:
    return TRANSPORTS[request.param]


@pytest.fixture
def client(page: Page, transport: Transport) -> Client:
    return driver.client(page, transport.name, transport.wire)


@pytest.fixture
def options() -> Options:
    """Give up at the first loss, so that a test that passes did so without reconnecting."""
    return Options(attempts=1)


@dataclass(frozen=True)
class Served:
    service: StreamService
    url: str
    fed: Fed


@asynccontextmanager
async def serve(origin: str) -> AsyncIterator[Served]:
    fed = Fed()
    service = StreamService(
        producers=sources(fed),
        shared=[SharedStream(name="ended", producer="ticker", params={"count": 600, "arrivals": "at-once"})],
        settings=Settings(retain_events=1000, allowed_origins=(origin,)),
    )
    async with serving(service, [*TRANSPORTS.values(), *OTHERS.values()]) as url:
        yield Served(service, url, fed)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one_for_all(origin: str) -> AsyncIterator[Served]:
    async with serve(origin) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def served(one_for_all: Served, origin: str, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """A server of its own for the test that ends it."""
    if request.function is test_a_producers_process_that_goes_away_is_told:
        async with serve(origin) as own:
            yield own
    else:
        yield one_for_all


@pytest.fixture
def fed(served: Served) -> Fed:
    served.fed.queue = asyncio.Queue()
    return served.fed


@pytest.fixture
def service(served: Served) -> StreamService:
    return served.service


@pytest.fixture
def url(served: Served) -> str:
    return served.url


@pytest.mark.parametrize("transport", OTHERS.values(), ids=OTHERS)
async def test_what_other_libraries_write_is_read_alike(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options
) -> None:
    """Other line ends, another order of fields."""
    await test_ids_order_types_and_data_are_the_logs(url, service, transport, client, options)
