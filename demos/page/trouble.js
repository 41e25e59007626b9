/** What to say at the top of the page when something concerns all lanes, and the one thing to do about it. */

import { Problem, Unreachable } from "./api.js";
import { seconds } from "./format.js";

/** @typedef {{ text: string, act: "again" | "restart" | "reload" | null }} Notice */

export const GONE =
  "The demo itself doesn't answer any more: start `streamlanes demo` again. What came so far stays here.";

/**
 * @param {import("./show.js").Show} show
 * @param {boolean} restarting
 * @param {Notice | null} failed what the last thing that was asked for came to, if it failed
 * @returns {Notice | null}
 */
export function notice(show, restarting, failed) {
  if (!show.reachable) return { text: GONE, act: null };
  if (show.replaced)
    return { text: "The demo was started again, with other lanes than this page's. What came so far stays here.", act: "reload" };
  if (restarting) return { text: "Restarting the server.", act: null };
  if (show.telemetry?.alive === false)
    return { text: "The server has died. What came so far stays here.", act: "restart" };
  if (show.run !== null && show.boot !== show.run.boot && !show.complete) {
    return {
      text: "The server was restarted. Its log was in memory, so the stream is gone; what came so far stays here.",
      act: "again",
    };
  }
  return failed;
}

/** What an error of the API comes to. @param {unknown} error @returns {Notice} */
export function trouble(error) {
  if (error instanceof Unreachable) return { text: GONE, act: null };
  if (!(error instanceof Problem)) throw error;
  const when = error.retryAfter > 0 ? ` It asks for ${seconds(error.retryAfter)} of patience.` : "";
  if (error.status === 429) return { text: `The server has as many streams as it allows (429).${when}`, act: "again" };
  if (error.status === 503)
    return { text: `The server isn't there for this now (503): ${error.message}.${when}`, act: "restart" };
  return { text: `That was refused (${error.status}): ${error.message}.`, act: "again" };
}
