import type { TickRow } from '../../model/messages.ts'
import { Figures } from './figures.ts'
import { rowKey } from './row-names.ts'

/** Adds up the counts of the same rows. */
export function mergeRows(rows: readonly TickRow[]): readonly TickRow[] {
  const first = new Map<string, TickRow>()
  const sums = new Map<string, Figures>()
  for (const row of rows) {
    const key = rowKey(row)
    const known = first.get(key)
    if (known === undefined) {
      first.set(key, row)
      continue
    }
    let sum = sums.get(key)
    if (sum === undefined) {
      sum = new Figures()
      sum.addRow(known.counts, known.durations)
      sums.set(key, sum)
    }
    sum.addRow(row.counts, row.durations)
  }
  if (sums.size === 0) return rows
  return [...first].map(([key, row]) => {
    const sum = sums.get(key)
    return sum === undefined ? row : { ...row, counts: [...sum.counts], durations: pairsOf(sum.durations) }
  })
}

/** Pairs of a bucket and its count, without the empty buckets. */
export function pairsOf(durations: ArrayLike<number>): number[] {
  const pairs: number[] = []
  for (let bucket = 0; bucket < durations.length; bucket++) {
    const count = durations[bucket] as number
    if (count > 0) pairs.push(bucket, count)
  }
  return pairs
}
