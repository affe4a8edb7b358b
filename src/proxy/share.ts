/** One of several data planes that divide what is limited. */
export interface Share {
  readonly index: number
  readonly of: number
}

export const WHOLE_SHARE: Share = { index: 0, of: 1 }

/** This one's part of a limit, so that all parts sum to it; at least 1, unless there is no limit (0). */
export function shareOf(limit: number, { index, of }: Share): number {
  if (limit === 0) return 0
  return Math.max(1, Math.floor(limit / of) + (index < limit % of ? 1 : 0))
}
