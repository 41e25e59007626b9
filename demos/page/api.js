/** The demo's own server: what there is to show, runs, the network between, telemetry. */

/**
 * @typedef {{ delay: number, jitter: number, bandwidth: number | null, buffering: boolean }} Network times in s, bytes/s
 */
/** @typedef {{ name: string, wire: string, url: string }} Lane */
/**
 * @typedef {{ demo: string, lanes: Lane[], chosen: string[], producers: Record<string, any>, boot: number }} Stage
 * `demo` is another one for each start of the demo
 */
/** @typedef {{ session_id: string, cursor: string, epoch: string, links: Record<string, string>, boot: number }} Run */
/**
 * @typedef {{ up: number, down: number, connections: number, open: number, cut: number, stalled: number,
 *   network: Network }} Wire
 */
/**
 * @typedef {{ demo: string, now_ms: number, boot: number, alive: boolean, lanes: Record<string, Wire>,
 *   due: { from: number, ms: number[] }, readers: { count: number, received: number, faults: number } }} Telemetry
 */

/** The answer was an error; `problem` is what it says (RFC 9457). */
export class Problem extends Error {
  /** @param {number} status @param {any} problem @param {number} retryAfter s, 0 if it doesn't say */
  constructor(status, problem, retryAfter) {
    super(problem?.detail ?? problem?.title ?? `status ${status}`);
    this.name = "Problem";
    this.status = status;
    /** @type {{ field: string, message: string }[]} */
    this.errors = problem?.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

/** There was no answer: the demo itself isn't there any more. */
export class Unreachable extends Error {
  name = "Unreachable";
}

const PATIENCE_MS = 15_000;

/**
 * Raises Problem and Unreachable.
 * @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>}
 */
async function call(method, path, body) {
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    text = await response.text();
  } catch (error) {
    throw new Unreachable(String(error), { cause: error });
  }
  if (response.ok) return text === "" ? null : JSON.parse(text);
  throw new Problem(response.status, parsed(text), Number(response.headers.get("Retry-After") ?? 0));
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // not one of ours; its status says enough
  }
}

/** @returns {Promise<Stage>} */
export const stage = () => call("GET", "/api/stage");

/** @param {string} producer @param {Record<string, unknown>} params @returns {Promise<Run>} */
export const startRun = (producer, params) => call("POST", "/api/runs", { producer, params });

/** @param {string} session */
export const endRun = (session) => call("DELETE", `/api/runs/${encodeURIComponent(session)}`);

/** End a run as the page goes away, which waits for no answer. @param {string} session */
export const leaveRun = (session) =>
  void fetch(`/api/runs/${encodeURIComponent(session)}`, { method: "DELETE", keepalive: true }).catch(() => {});

/** @param {string | null} lane null: all @param {Network} network */
export const setNetwork = (lane, network) => call("PUT", "/api/network", { lane, ...network });

/** @param {string | null} lane null: all @param {"cut" | "stall"} fault @param {number} [seconds] */
export const fault = (lane, fault, seconds) =>
  call("POST", "/api/faults", { lane, fault, ...(seconds ? { seconds } : {}) });

export const restart = () => call("POST", "/api/restart");

/** @param {string} session @param {number} count @param {string[]} lanes */
export const setReaders = (session, count, lanes) => call("PUT", "/api/readers", { session_id: session, count, lanes });

/** @param {string} epoch @param {number} after @returns {Promise<Telemetry>} */
export const telemetry = (epoch, after) =>
  call("GET", `/api/telemetry?epoch=${encodeURIComponent(epoch)}&after=${after}`);
