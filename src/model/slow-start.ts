/** Part of its weight with which a server in slow start begins. */
const FIRST_SHARE = 0.1

/**
 * Part of its weight that a server has after it has taken requests for `takesForMs`: it grows linearly from 10 %, and is 1
 * after `slowStartMs`.
 */
export function weightShare(takesForMs: number, slowStartMs: number): number {
  if (takesForMs >= slowStartMs) return 1
  return FIRST_SHARE + ((1 - FIRST_SHARE) * Math.max(0, takesForMs)) / slowStartMs
}
