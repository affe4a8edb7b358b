/** Two 32-bit hashes of one text, with different multipliers. */
export interface Hashed {
  readonly first: number
  readonly second: number
}

const TWO_21 = 2 ** 21
const TWO_53 = 2 ** 53

/**
 * Hashes a text by its character codes. The same text gives the same hash on every machine and in every version: clients
 * are assigned by it. Not for secrets.
 */
export function hashed(text: string): Hashed {
  let first = 0x811c9dc5 ^ text.length
  let second = 0x9e3779b9
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    first = Math.imul(first ^ code, 0x01000193)
    first = (first << 13) | (first >>> 19)
    second = Math.imul(second + code, 0x85ebca6b)
    second = (second << 17) | (second >>> 15)
  }
  return { first: mixed(first ^ second), second: mixed(second + Math.imul(first, 0xc2b2ae35)) }
}

/**
 * Returns a number between 0 and 1, evenly distributed over keys, and independent of that of the same key with another
 * seed.
 */
export function drawn(key: Hashed, seed: Hashed): number {
  const high = mixed((key.first ^ seed.first) + Math.imul(key.second, 0x9e3779b1))
  const low = mixed((key.second ^ seed.second) + Math.imul(high, 0x85ebca77))
  const again = mixed(high ^ low ^ seed.first)
  return ((again >>> 0) * TWO_21 + (low >>> 11) + 0.5) / TWO_53
}

/**
 * The score of one of several choices for a key; the highest one wins, with a probability in proportion to its weight. A
 * higher weight of one choice only moves keys to it, a choice less only its own keys.
 * Source: rendezvous hashing, Thaler and Ravishankar (1998); with weights, Schindelhauer and Schomaker, "Weighted
 * Distributed Hash Tables" (2005).
 */
export function rendezvousScore(key: Hashed, seed: Hashed, weight: number): number {
  return weight / -Math.log(drawn(key, seed))
}

/** Spreads each bit of a 32-bit integer over all bits. Source: the finalizer of MurmurHash3. */
function mixed(value: number): number {
  let h = value ^ (value >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}
