/** A prime, so that no chunk size of anything on the way hides a shift by it. */
const PERIOD = 65_521
const BYTES = Buffer.alloc(2 * PERIOD)
for (let i = 0, x = 1; i < PERIOD; i++) {
  x = (x * 48_271) % 2_147_483_647
  BYTES[i] = BYTES[i + PERIOD] = x & 0xff
}

/** The most bytes of the pattern that come in one piece. */
export const PIECE_BYTES = PERIOD

/**
 * `length` (at most `PIECE_BYTES`) bytes of the endless pattern of a seed, from `offset` on. Two seeds are the same
 * pattern shifted: a body of another request, or one with a piece missing, does not match. Not a copy.
 */
export function piece(seed: number, offset: number, length: number): Buffer {
  const start = (seed + offset) % PERIOD
  return BYTES.subarray(start, start + length)
}

/** Whether these are the bytes of a seed's pattern from `offset` on. */
export function matches(chunk: Buffer, seed: number, offset: number): boolean {
  for (let at = 0; at < chunk.length; at += PERIOD) {
    const part = chunk.subarray(at, at + PERIOD)
    if (!part.equals(piece(seed, offset + at, part.length))) return false
  }
  return true
}

/** The first `length` bytes of a seed's pattern, piece by piece. */
export function* pieces(seed: number, length: number): Generator<Buffer> {
  for (let at = 0; at < length; at += PIECE_BYTES) yield piece(seed, at, Math.min(PIECE_BYTES, length - at))
}
