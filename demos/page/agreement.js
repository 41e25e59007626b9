/** Whether the lanes have brought the same: their digests after the last event that all of them have. */

import { hex } from "./digest.js";
import { count, counted } from "./format.js";

/** @typedef {import("./column.js").Column} Column */

/**
 * Judge each column, and return what there is to say of all.
 * @param {Column[]} columns @returns {{ text: string, tone: "calm" | "good" | "bad" }}
 */
export function agreement(columns) {
  const compared = columns.filter(({ reading }) => reading !== null && reading.events > 0 && reading.whole);
  for (const column of columns) if (!compared.includes(column)) column.judge("alone", alone(column));
  const [one, ...others] = compared;
  if (one === undefined) return { text: "Nothing to compare yet.", tone: "calm" };
  if (others.length === 0) {
    one.judge("alone", "");
    return { text: "There is only one lane to compare.", tone: "calm" };
  }
  const readings = compared.map(({ reading }) => /** @type {import("./reading.js").Reading} */ (reading));
  const common = Math.min(...readings.map(({ last }) => last));
  const digests = readings.map((reading) => reading.digestAfter(common));
  if (digests.includes(null)) {
    for (const column of compared) column.judge("alone", "");
    return { text: "The lanes are too far apart to compare just now.", tone: "calm" };
  }
  if (digests.some((digest) => digest !== digests[0])) {
    for (const column of compared)
      column.judge("different", `differs at event ${count(common)}`, column.reading?.digestAfter(common));
    return { text: `The lanes differ somewhere up to event ${count(common)}. That must never happen.`, tone: "bad" };
  }
  const over = readings.every(({ phase }) => phase === "ended");
  for (const column of compared)
    column.judge("equal", over ? "equal on all lanes" : `equal up to event ${count(common)}`, digests[0]);
  const lanes = `${counted(compared.length, "lane")} agree`;
  const lacking = columns
    .filter(({ reading }) => reading !== null && reading.events > 0 && !reading.whole)
    .map(({ lane }) => lane.name);
  const but =
    lacking.length > 0 ? ` Not compared: ${lacking.join(", ")}, which lacks what it was told is missing.` : "";
  const text = over
    ? `${lanes}: ${counted(common, "event")}, nothing lost, nothing repeated, digest ${hex(/** @type {number} */ (digests[0]))}.${but}`
    : `${lanes} on every event up to ${count(common)}. Nothing lost, nothing repeated.${but}`;
  return { text, tone: "good" };
}

/** @param {Column} column */
function alone({ reading }) {
  if (reading === null || reading.events === 0) return "";
  return reading.first > 1 ? `came in at event ${count(reading.first)}` : "some are missing";
}
