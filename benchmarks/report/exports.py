"""Results for other tools: a table of all figures, HdrHistogram's plotter, and what CI systems read of tests."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from streamlanes.benchmarks.analysis.histogram import Histogram
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.report.comparison import where
from streamlanes.benchmarks.report.slo import Check
from streamlanes.benchmarks.spec.metrics import METRICS
from streamlanes.benchmarks.spec.workload import told

COLUMNS: Final = ("trial", "kind", "point", "lane", "round", "metric", "unit", "value")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def csv_text(results: Sequence[Result]) -> str:
    """Return a line for each trial and figure, values with all their digits; refused trials have none.

    A text that a spreadsheet would take for a formula has an apostrophe before it
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in results:
        if not result.correctness.ok:
            continue
        point = told(result.point, " ")
        for name, value in result.figures.items():
            unit = METRICS[name].unit if name in METRICS else ""
            texts = map(_cell, (result.trial, result.kind, point, result.lane))
            writer.writerow((*texts, result.round, _cell(name), unit, repr(value)))
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r", "\n")) else text


def write_hgrm(folder: Path, results: Sequence[Result]) -> list[Path]:
    """Write KIND-POINT-LANE-HISTOGRAM.hgrm files, each merged over rounds, and return their paths.

    In milliseconds, for https://hdrhistogram.github.io/HdrHistogram/plotFiles.html. A lane of which a trial was refused
    or overloaded has none: that of its other trials would flatter it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoded: dict[str, list[str]] = {}
    flattered: set[str] = set()
    for result in results:
        point = told(result.point, ",")
        row = "-".join(part for part in (result.kind, point, result.lane) if part)
        if not result.correctness.ok or result.overloaded:
            flattered.add(row)
        for name, text in result.histograms.items():
            encoded.setdefault(f"{row}\0{name}", []).append(text)
    written = []
    for key, texts in encoded.items():
        row, _, name = key.partition("\0")
        merged = Histogram.merged(texts)
        if row in flattered or not len(merged):
            continue
        path = folder / (re.sub(r"[^\w.,=~-]", "_", f"{row}-{name}") + ".hgrm")
        path.write_text(merged.hgrm(), encoding="utf-8")
        written.append(path)
    return written


def junit(header: Header, checks: Sequence[Check]) -> bytes:
    """Return JUnit's XML: a testcase for each limit, lane and point, failed where the limit isn't met.

    There is no standard; this is valid by both schemas in use: Ant's (https://github.com/windyroad/JUnit-Schema) and
    Jenkins's (junit-10.xsd of https://github.com/jenkinsci/xunit-plugin).
    """
    suites = ET.Element("testsuites")
    counts = Counter(bool(check.fault) for check in checks)
    suite = ET.SubElement(
        suites,
        "testsuite",
        name=header.scenario.name,
        package="streamlanes",
        id="0",
        hostname="localhost",
        timestamp=header.started[: len("2026-01-01T00:00:00")],
        tests=str(len(checks)),
        failures=str(counts[True]),
        errors="0",
        time=f"{sum(check.seconds for check in checks):.3f}",
    )
    ET.SubElement(ET.SubElement(suite, "properties"), "property", name="command", value=_xml(header.command))
    for check in checks:
        bound = ">=" if METRICS[check.metric].better == "higher" else "<="
        case = ET.SubElement(
            suite,
            "testcase",
            classname=_xml(f"{header.scenario.name}.{where(check.kind, check.point)}.{check.lane}"),
            name=f"{check.metric} {bound} {check.limit:g}",
            time=f"{check.seconds:.3f}",
        )
        if check.fault:
            ET.SubElement(case, "failure", type="slo", message=_xml(check.fault)).text = _xml(check.fault)
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")
    ET.indent(suites)
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _xml(text: str) -> str:
    """Return *text* without the characters that XML can't have."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
