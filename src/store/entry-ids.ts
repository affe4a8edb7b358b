/** Compares ids of events and other entries of streams, `MS-SEQ`: negative when `a` is before `b`. */
export function compareIds(a: string, b: string): number {
  const [aMs = 0, aSequence = 0] = a.split('-').map(Number)
  const [bMs = 0, bSequence = 0] = b.split('-').map(Number)
  return aMs - bMs || aSequence - bSequence
}

/** Before the id of any entry. */
export const NO_ENTRY = '0-0'
