/**
 * What just happened on a lane and why, in a sentence or two; and what can be done about it. No page, no clock of its
 * own.
 */

import { CursorExpired, StreamFailed, StreamLost, StreamOrphaned, UnknownStream } from "/streamlanes.js";
import { bytes, count, counted, milliseconds, seconds } from "./format.js";

/** ms for which something that is over is still told. */
const TOLD_MS = 9_000;
/** ms from which events count as held back by a proxy. */
const LATE_MS = 500;
/** ms, beside three times the line's length, by which a lane is behind and not just on its way. */
const BEHIND_MS = 1_000;

/** What can be done: start a new run; read on from the cursor; read on behind what is missing; restart the server. */
/** @typedef {"again" | "resume" | "skip" | "restart"} Remedy */
/** `news` is told to screen readers, other things aren't. */
/** @typedef {{ text: string, tone: "calm" | "good" | "busy" | "bad", news: boolean, remedy?: Remedy }} Told */
/**
 * A stall that is over, from `began` to `at`: the last event before it, and the last that was due when it was over.
 * @typedef {{ at: number, began: number, after: number, upTo: number }} Stall
 */
/**
 * A lane at a moment: its reading, what the relay says of its network, and what was seen of both. Times are
 * performance.now().
 * @typedef {object} Situation
 * @property {import("./reading.js").Reading} reading
 * @property {number} now
 * @property {{ delay: number, jitter: number, bandwidth: number | null, buffering: boolean }} network
 * @property {number} stalled seconds that nothing will pass
 * @property {Stall | null} stall the last one that ended
 * @property {{ at: number, after: number, noticed: boolean } | null} cut the last one
 * @property {number} behind ms since the oldest event that hasn't come was due; 0 if there is none
 * @property {number} catching events still to come while it reads what was due before it came in; 0 if that is over
 * @property {number} worst ms by which the latest of the last few seconds' events was late
 * @property {{ requests: number, events: number }} pace of the last seconds, each per second
 * @property {number} changed when the network was given another shape
 * @property {boolean} restarted whether the server isn't any more the one that the run began on
 */

/** @type {Record<string, string>} */
const USUAL = {
  sse: "One response that never ends: each event is written to it as it is made.",
  websocket: "One connection, open both ways: each event is a message of its own.",
  ndjson: "One response that never ends: a line of JSON for each event, as it is made.",
};

/** @param {Situation} situation @returns {Told} */
export function tell(situation) {
  const { reading } = situation;
  if (reading.phase === "failed") return failed(situation);
  if (reading.phase === "ended") return ended(reading);
  if (reading.outage !== null && reading.outage.back === null) return lost(situation);
  return running(situation);
}

/** @param {Situation} situation @returns {Told} */
function failed({ reading, restarted }) {
  const { error, events } = reading;
  const kept =
    events === 0 ? "" : ` The ${counted(events, "event")} that came ${events === 1 ? "is" : "are"} still here.`;
  /** @param {string} text @param {Remedy} remedy @returns {Told} */
  const bad = (text, remedy) => ({ text: text + kept, tone: "bad", news: true, remedy });
  if (error instanceof UnknownStream) {
    return restarted
      ? bad(
          "The stream is gone: the server was restarted, and its log was in the memory of the process before.",
          "again",
        )
      : bad("The server no longer has this stream: it was removed, since nobody had read it for too long.", "again");
  }
  if (error instanceof StreamFailed) {
    const when = reading.last === 0 ? "before its first event" : `after event ${count(reading.last)}`;
    return bad(`The producer failed ${when}, and the server says so instead of going silent.`, "again");
  }
  if (error instanceof StreamOrphaned) {
    return bad("The producer went away before the stream was complete, and the server says so.", "again");
  }
  if (error instanceof CursorExpired) {
    const missing = error.missing === null ? "some events" : counted(error.missing, "event");
    return bad(
      `Was away, or too slow, for longer than the server remembers: ${missing} in between can't be had any more.`,
      "skip",
    );
  }
  if (error instanceof StreamLost) {
    const tried = counted(reading.outage?.attempts ?? 0, "attempt");
    return bad(`Gave up after ${tried} to reach the server (${plain(reading.outage?.reason)}).`, "resume");
  }
  return bad(`Stopped: ${error instanceof Error ? error.message : error}.`, "resume");
}

/** @param {import("./reading.js").Reading} reading @returns {Told} */
function ended(reading) {
  const events = counted(reading.events, "event");
  if (reading.outcome === "deleted")
    return { text: `The stream was stopped after ${events}.`, tone: "calm", news: true, remedy: "again" };
  if (!reading.whole)
    return {
      text: `Complete, but for what it was told is missing: ${events}.`,
      tone: "busy",
      news: true,
      remedy: "again",
    };
  return { text: `Complete: ${events}, every one, once and in order.`, tone: "good", news: true, remedy: "again" };
}

/** A reason without the number that browsers give when there was none. @param {string | undefined} reason */
function plain(reason) {
  return reason?.replace("the server closed the connection with 1006", "it broke off");
}

/** @param {Situation} situation @returns {Told} */
function lost({ reading, now, restarted }) {
  const outage = /** @type {import("./reading.js").Outage} */ (reading.outage);
  const when =
    reading.phase === "waiting"
      ? `tries again in ${seconds(Math.max(reading.nextAttempt - now, 0) / 1000)}`
      : "is trying";
  const which = outage.attempts > 2 ? ` (attempt ${outage.attempts - 1})` : "";
  if (restarted)
    return {
      text: `The server was restarted, and its streams are gone with its memory. The client ${when}, and will be told.`,
      tone: "bad",
      news: true,
    };
  const where = outage.after > 0 ? `Holds event ${count(outage.after)}, and will go on behind it.` : "";
  return {
    text: `The connection is gone: ${plain(outage.reason)}. The client ${when}${which}. ${where}`,
    tone: "busy",
    news: true,
  };
}

/** @param {Situation} situation @returns {Told} */
function running(situation) {
  const { reading, stalled, network } = situation;
  if (stalled > 0) {
    return {
      text: `Nothing passes for another ${Math.ceil(stalled)}\u00a0s. The connection stays open, so the client waits; what is made meanwhile is kept.`,
      tone: "busy",
      news: false,
    };
  }
  const over = latest(situation);
  if (over !== null) return over;
  if (reading.events === 0)
    return {
      text: reading.phase === "open" ? "Connected; waiting for the first event." : "Connecting.",
      tone: "calm",
      news: false,
    };
  if (network.buffering) return buffered(situation);
  if (situation.behind > BEHIND_MS + 3000 * network.delay) return behind(situation);
  if (network.delay > 0) return delayed(situation);
  return { text: usual(situation), tone: "calm", news: false };
}

/**
 * What was over last, if that isn't long ago and the network hasn't been changed since.
 * @param {Situation} situation @returns {Told | null}
 */
function latest({ reading, now, stall, cut, changed }) {
  const back = reading.outage?.back ?? -Infinity;
  const unseen = cut !== null && !cut.noticed ? cut.at : -Infinity;
  const passed = stall?.at ?? -Infinity;
  const last = Math.max(back, unseen, passed);
  if (now - last > TOLD_MS || last < changed) return null;
  if (last === back) return resumed(reading);
  if (last === unseen && cut !== null) return unnoticed(reading, cut.after);
  return stall === null ? null : flowing(reading, stall, cut?.at ?? -Infinity);
}

/** @param {import("./reading.js").Reading} reading @param {Stall} stall @param {number} cut @returns {Told} */
function flowing(reading, { began, after, upTo }, cut) {
  const came = counted(Math.max(Math.min(reading.last, upTo) - after, 0), "event");
  const anew = Math.max(cut, reading.outage?.at ?? -Infinity) >= began;
  const over = anew ? "over a new connection, since there was a cut too. Nothing lost" : "No new connection, nothing lost";
  return { text: `The stall is over: ${came} came at once${anew ? ", " : ". "}${over}.`, tone: "good", news: true };
}

/** @param {import("./reading.js").Reading} reading @returns {Told} */
function resumed(reading) {
  const outage = /** @type {{ at: number, after: number, back: number }} */ (reading.outage);
  const took = seconds((outage.back - outage.at) / 1000);
  const after = count(outage.after);
  /** @type {Record<string, string>} */
  const how = {
    sse: `Resumed after event ${after}: ${took} after the cut, the client was connected again and had asked for what follows it. Nothing lost.`,
    websocket: `Reconnected after ${took}: a new connection, and the server went on behind event ${after}. Nothing lost.`,
    "long-poll": `The cut took an answer away. Asked again ${took} later, from event ${after}: the same answer. Nothing lost.`,
  };
  return {
    text: how[reading.lane.wire] ?? `Resumed after event ${after}, ${took} after the cut. Nothing lost.`,
    tone: "good",
    news: true,
  };
}

/** @param {import("./reading.js").Reading} reading @param {number} after @returns {Told} */
function unnoticed(reading, after) {
  const why =
    reading.lane.wire === "long-poll"
      ? "the browser just asked again. To long poll, a cut is one more request."
      : "nothing was on its way.";
  return { text: `Cut around event ${count(after)}, and didn't notice: ${why}`, tone: "good", news: true };
}

/** @param {Situation} situation @returns {Told} */
function buffered({ reading, worst, behind }) {
  const held = Math.max(worst, behind);
  if (held > LATE_MS) {
    return {
      text:
        reading.lane.wire === "long-poll" || reading.lane.wire === "websocket"
          ? `Held back, up to ${milliseconds(held)}.`
          : `The proxy holds it back, up to ${milliseconds(held)}: it waits for the end of a response, and a stream is a response without one.`,
      tone: "bad",
      news: true,
    };
  }
  /** @type {Record<string, string>} */
  const passes = {
    websocket: "The proxy buffers responses, and a WebSocket isn't one any more after its handshake: it passes.",
    "long-poll": "The proxy buffers responses. Each answer here is a whole one, so it passes at once.",
  };
  return {
    text: passes[reading.lane.wire] ?? "A buffering proxy is on the way. It has held nothing back so far.",
    tone: "good",
    news: true,
  };
}

/** @param {Situation} situation @returns {Told} */
function behind({ network, behind, catching }) {
  if (catching > 0)
    return {
      text: `Came in later than the others, and is catching up: ${counted(catching, "event")} to go.`,
      tone: "calm",
      news: true,
    };
  const late = milliseconds(behind);
  const text =
    network.bandwidth === null
      ? `Comes ${late} late: something on the way is slower than the stream.`
      : `Comes ${late} late: the line takes ${bytes(network.bandwidth)} a second, the stream needs more. Nothing is dropped.`;
  return { text, tone: "busy", news: true };
}

/** @param {Situation} situation @returns {Told} */
function delayed({ reading, network, pace }) {
  const way = milliseconds(network.delay * 1000);
  const text =
    reading.lane.wire === "long-poll"
      ? `The line is ${way} long, and each answer costs a round trip of it, in which events gather: ${gathered(pace)}.`
      : `The line is ${way} long, so every event comes that much later. Nobody has to ask again, so that is all.`;
  return { text, tone: "calm", news: false };
}

/** @param {Situation} situation */
function usual({ reading, pace }) {
  if (reading.lane.wire === "long-poll") {
    return `A question that waits for its answer, again and again: ${gathered(pace)}.`;
  }
  return USUAL[reading.lane.wire] ?? "Each event comes as it is made.";
}

/** @param {{ requests: number, events: number }} pace */
function gathered({ requests, events }) {
  if (requests < 0.05) return "none needed just now";
  return `${requests.toFixed(requests < 9.5 ? 1 : 0)} requests a second, ${(events / requests).toFixed(1)} events each`;
}
