import type { TickRow } from '../../model/messages.ts'

/** A second of the store's clock, and its counts; `instances`: number of those that they are of, absent = 1. */
export type Tick = readonly [second: number, rows: readonly TickRow[], instances?: number]

type PackedRow = readonly [
  service: string,
  pool: string,
  version: string,
  decision: number,
  server: string,
  counts: readonly number[],
  durations: readonly number[],
]

/** Writes ticks as text. */
export function packTicks(ticks: readonly Tick[]): string {
  return JSON.stringify(
    ticks.map(([second, rows, instances = 1]) => [
      second,
      rows.map(
        ({ service, pool, version, decision, server, counts, durations }): PackedRow => [
          service,
          pool,
          version,
          decision,
          server,
          counts,
          durations,
        ],
      ),
      ...(instances === 1 ? [] : [instances]),
    ]),
  )
}

/** Reads ticks; those that cannot be read, for example because a newer version has written them, are left out. */
export function unpackTicks(text: string): readonly Tick[] {
  const value = parsed(text)
  return Array.isArray(value) ? value.flatMap(readTick) : []
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function readTick(value: unknown): Tick[] {
  if (!Array.isArray(value)) return []
  const [second, rows, instances = 1] = value as unknown[]
  if (!isCount(second) || !Array.isArray(rows) || !isCount(instances)) return []
  return [[second, rows.flatMap(readRow), instances]]
}

function readRow(value: unknown): TickRow[] {
  if (!Array.isArray(value)) return []
  const [service, pool, version, decision, server, counts, durations] = value as unknown[]
  if (typeof service !== 'string' || typeof pool !== 'string' || typeof version !== 'string') return []
  if (!isCount(decision) || typeof server !== 'string' || !areCounts(counts) || !areCounts(durations)) return []
  return [{ service, pool, version, decision, server, counts, durations }]
}

function areCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isCount)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
