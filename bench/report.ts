import type { Load } from './load.ts'

export interface Round extends Load {
  /** CPU time per request, of all processes of the contestant. */
  readonly cpuMicroseconds: number
}

export interface Result {
  readonly name: string
  readonly rounds: readonly Round[]
  /** The least disturbed round: the one with the least CPU per request. */
  readonly best: Round
  readonly medianCpuMicroseconds: number
}

export function summarize(name: string, rounds: readonly Round[]): Result {
  const sorted = rounds.toSorted((a, b) => a.cpuMicroseconds - b.cpuMicroseconds)
  const [best] = sorted
  const low = sorted[Math.floor((sorted.length - 1) / 2)]
  const high = sorted[Math.ceil((sorted.length - 1) / 2)]
  if (!best || !low || !high) throw new Error(`${name} was not measured`)
  return { name, rounds, best, medianCpuMicroseconds: (low.cpuMicroseconds + high.cpuMicroseconds) / 2 }
}

/** Formats the results as a table. The ratios compare the CPU per request of the best rounds. */
export function table(results: readonly Result[]): string {
  const cpuOf = (name: string) => results.find((result) => result.name === name)?.best.cpuMicroseconds
  const references = ['splice', 'haproxy', 'fastify-http-proxy'].filter((name) => cpuOf(name) !== undefined)
  const header = [
    '',
    'µs CPU/req',
    'median',
    ...references.map((name) => `× ${name}`),
    'req/s',
    'p50 ms',
    'p99 ms',
    'errors',
  ]
  const rows = results.map(({ name, rounds, best, medianCpuMicroseconds }) => [
    name,
    best.cpuMicroseconds.toFixed(1),
    medianCpuMicroseconds.toFixed(1),
    ...references.map((reference) => (best.cpuMicroseconds / (cpuOf(reference) ?? Number.NaN)).toFixed(2)),
    best.requestsPerSecond.toFixed(0),
    best.p50Ms.toFixed(2),
    best.p99Ms.toFixed(2),
    `${rounds.reduce((sum, round) => sum + round.errors, 0)}`,
  ])
  const lines = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
    )
    .join('\n')
}
