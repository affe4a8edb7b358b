/** A bar of so many columns, filled to a share of 0 to 1; what there is of it, however little, is seen. */
export function bar(share: number, columns: number): string {
  const within = Math.min(1, Math.max(0, share))
  const filled = within === 0 ? 0 : Math.max(1, Math.floor(within * columns))
  return '█'.repeat(filled) + '░'.repeat(columns - filled)
}

/**
 * How far evidence is on its way to the threshold, 0 to 1. Both are products over the ticks, so the way is that of their
 * logarithms; evidence of 1 says nothing.
 */
export function evidenceShare(evidence: number, threshold: number): number {
  return evidence <= 1 || threshold <= 1 ? 0 : Math.min(1, Math.log(evidence) / Math.log(threshold))
}
