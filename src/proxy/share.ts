/** The part of one of several data planes that divide the limits among them. */
export interface Share {
  /** 0 to `of` - 1. */
  readonly index: number
  /** Number of data planes. */
  readonly of: number
}

export const WHOLE_SHARE: Share = { index: 0, of: 1 }

/**
 * This data plane's part of a limit. All parts add up to the limit, except that each is at least 1. 0 = no limit, which
 * stays 0.
 */
export function dividedLimit(limit: number, { index, of }: Share): number {
  if (limit === 0) return 0
  return Math.max(1, Math.floor(limit / of) + (index < limit % of ? 1 : 0))
}
