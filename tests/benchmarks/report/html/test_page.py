"""The page as a file: complete, safe, and small enough."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Final

import pytest

from streamlanes.benchmarks.report.html import render
from streamlanes.benchmarks.report.html.model import Finding, Ratio, Report

MEGABYTES: Final = 6
CONTRAST: Final = 4.5
"""WCAG 2.2, 1.4.3 (AA); 1.4.11 asks 3 of what figures are made of."""


class Elements(HTMLParser):
    """Collects elements, and the text of scripts and headings."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._within: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = None

    def handle_data(self, data: str) -> None:
        if self._within is not None:
            self.texts[self._within][-1] += data


@pytest.fixture(scope="module")
def elements(page: str) -> Elements:
    return Elements(page)


def test_size(page: str) -> None:
    assert len(page.encode()) < MEGABYTES * 1_000_000
    assert page.lstrip().lower().startswith("<!doctype html>")


def test_nothing_is_fetched(elements: Elements) -> None:
    assert not [tag for tag, attributes in elements.tags if {"src", "srcset", "action", "poster"} & attributes.keys()]
    assert not [tag for tag, _ in elements.tags if tag in {"link", "iframe", "object", "embed", "base"}]
    assert all((attributes.get("href") or "#").startswith("#") for _, attributes in elements.tags)
    assert not re.search(r"url\(|@import", "".join(elements.texts["style"]))


def test_only_our_scripts_may_run(elements: Elements) -> None:
    (policy,) = (a["content"] or "" for tag, a in elements.tags if tag == "meta" and "http-equiv" in a)
    (scripts,) = re.findall(r"script-src ([^;]+);", policy)
    allowed = set(re.findall(r"'sha256-([^']+)'", scripts))
    kinds = [attributes.get("type") for tag, attributes in elements.tags if tag == "script"]
    found = {
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in zip(kinds, elements.texts["script"], strict=True)
        if kind != "application/json"
    }
    assert found == allowed
    assert "unsafe" not in scripts
    assert "default-src 'none'" in policy


def test_sections_in_order(elements: Elements) -> None:
    assert elements.texts["h2"] == [
        "Verdict", "Under load", "Rising load", "Idle readers", "Under faults", "Latency by percentile",
        "Latency against offered load", "Share of deliveries by latency", "Latency over time", "What it costs",
        "Recovery from faults", "Caveats", "Environment", "Do it again",
    ]  # fmt: skip


def test_sections_without_data_are_left_out(report: Report) -> None:
    bare = replace(
        report, comparisons=(), refused=(), spreads=(), sweeps=(), heats=(), costs=(), recoveries=(), caveats=(),
        environment=(), finding=Finding(headline="Nothing.", lanes=(), details=(), not_said=()),
    )  # fmt: skip
    elements = Elements(render(bare))
    assert elements.texts["h2"] == ["Verdict", "Do it again"]
    assert "h3" not in elements.texts
    assert "figure" not in elements.texts


def test_everything_is_text(report: Report) -> None:
    evil = '</script><img src=x onerror="alert(1)">&'
    lanes = tuple(evil if lane == "ws" else lane for lane in report.lanes)
    first = report.spreads[0]
    line = replace(first.spectrum[0], lane=evil)
    page = render(
        replace(
            report, title=evil, lanes=lanes, comparisons=(), heats=(), costs=(), recoveries=(), sweeps=(),
            finding=replace(report.finding, headline=evil, lanes=()), refused=(evil,), caveats=(evil,),
            spreads=(replace(first, title=evil, spectrum=(line,), ecdf=()),),
            redo=replace(report.redo, command=evil, scenario=evil),
        )
    )  # fmt: skip
    assert evil not in page
    assert "<img" not in page
    elements = Elements(page)
    assert elements.texts["h1"] == [evil]
    assert [a["data-lane"] for tag, a in elements.tags if tag == "button"] == [evil]


def test_figures_say_what_they_show(elements: Elements) -> None:
    plots = [attributes for tag, attributes in elements.tags if "data-plot" in attributes]
    assert len(plots) == len({plot["data-plot"] for plot in plots}) > 20
    assert all(plot["role"] == "img" and len(plot["aria-label"] or "") > 30 for plot in plots)
    captions = elements.texts["figcaption"]
    assert len(captions) == sum(tag == "figure" for tag, _ in elements.tags)
    assert len(elements.texts["caption"]) == sum(tag == "table" for tag, _ in elements.tags)


def test_an_interval_without_an_end(report: Report) -> None:
    (first, *_) = report.comparisons
    group = first.groups[0]
    rows = tuple(replace(row, ratio=row.ratio and Ratio(mid=2, low=0, high=float("inf"))) for row in group.rows)
    page = render(replace(report, comparisons=(replace(first, groups=(replace(group, rows=rows),)),)))
    assert 'x1="0.0" x2="320.0"' in page


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast(elements: Elements, theme: int) -> None:
    (style,) = elements.texts["style"]
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block))
    for paper in ("paper", "tint"):
        for ink in ("ink", "muted", "accent", "alarm", "good"):
            assert contrast(colours[ink], colours[paper]) >= CONTRAST, (ink, paper)
    for lane in range(1, 9):
        assert contrast(colours[f"lane-{lane}"], colours["paper"]) >= 3


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
