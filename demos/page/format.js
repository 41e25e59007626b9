/** Numbers as people read them. What isn't known is a dash. */

const COUNT = new Intl.NumberFormat("en");
const UNKNOWN = "–";

/** @param {number} value @param {number} digits */
function places(value, digits) {
  return value.toFixed(digits);
}

/** @param {number} value */
export function count(value) {
  return COUNT.format(value);
}

/** `1 event`, `2 events`. @param {number} value @param {string} thing */
export function counted(value, thing) {
  return `${count(value)} ${thing}${value === 1 ? "" : "s"}`;
}

/** @param {number} ms */
export function milliseconds(ms) {
  if (!Number.isFinite(ms)) return UNKNOWN;
  if (ms >= 995) return seconds(ms / 1000);
  return `${places(ms, ms < 9.95 ? 1 : 0)}\u00a0ms`;
}

/** @param {number} s */
export function seconds(s) {
  if (!Number.isFinite(s)) return UNKNOWN;
  return `${places(s, s < 9.95 ? 1 : 0)}\u00a0s`;
}

/** Of 1,000. @param {number} value */
export function bytes(value) {
  if (!Number.isFinite(value)) return UNKNOWN;
  if (value < 1000) return `${value}\u00a0B`;
  const [scaled, unit] = value < 999_500 ? [value / 1e3, "KB"] : [value / 1e6, "MB"];
  return `${places(scaled, scaled < 99.5 ? 1 : 0)}\u00a0${unit}`;
}
