import type { HistogramReport } from '../../model/messages.ts'
import type { MetricsSnapshot } from './snapshot.ts'

interface Described {
  /** Without the prefix `cutover_`. */
  readonly name: string
  readonly help: string
  /** Names of its labels, in the order of the values in `Sample`. */
  readonly labels: readonly string[]
}

export interface Sample {
  readonly labels: readonly (string | number)[]
  readonly value: number
}

export interface HistogramSample {
  readonly labels: readonly (string | number)[]
  readonly histogram: HistogramReport
}

/** A metric whose values are read from the snapshot when it is scraped, instead of being stored a second time. */
export type Metric =
  | (Described & {
      readonly type: 'counter' | 'gauge'
      readonly read: (snapshot: MetricsSnapshot) => readonly Sample[]
    })
  | (Described & {
      readonly type: 'histogram'
      readonly read: (snapshot: MetricsSnapshot) => readonly HistogramSample[]
    })

/** A metric of one value, without labels. */
export function single(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: (snapshot: MetricsSnapshot) => number,
): Metric {
  return { type, name, help, labels: [], read: (snapshot) => [{ labels: [], value: read(snapshot) }] }
}

/** 1 for true. */
export function bit(value: boolean): number {
  return value ? 1 : 0
}
