/**
 * A running CRC-32 (zlib's) of all that a lane has brought: for each event its id, a line feed, its JSON text as it was
 * on the wire, a line feed, in UTF-8. Equal digests after the same event mean equal events in the same order.
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});
const ENCODER = new TextEncoder();
const BUFFER = new Uint8Array(16_384);

export class Digest {
  value = 0;

  /** @param {string} id @param {string} raw */
  add(id, raw) {
    this.#text(`${id}\n${raw}\n`);
  }

  /** @param {string} text */
  #text(text) {
    let crc = ~this.value;
    for (let rest = text; rest !== "";) {
      const { read, written } = ENCODER.encodeInto(rest, BUFFER);
      for (let at = 0; at < written; at++) crc = (crc >>> 8) ^ TABLE[(crc ^ BUFFER[at]) & 0xff];
      rest = rest.slice(read);
    }
    this.value = ~crc >>> 0;
  }
}

/** @param {number} value */
export function hex(value) {
  return value.toString(16).padStart(8, "0");
}
