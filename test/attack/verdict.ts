import type { Memory } from './memory.ts'
import type { Experience } from './others.ts'
import type { Row, SiegeResult } from './siege.ts'

/** A process may take so much more than before while it is attacked, MB. */
const MORE_MB = 150
/** The others' 99th percentile may be so many times what it is without attacks, and is never asked to be less. */
const SLOWER = { times: 20, leastMs: 500 }

/** Everything that was not as promised, in words; empty when all was. */
export function brokenIn({ before, rows, ended }: SiegeResult): string[] {
  return [
    ...(before.failed > 0 ? [`without an attack ${before.failed} requests failed`] : []),
    ...rows.flatMap((row) => brokenInRow(row, before).map((what) => `${row.attack.name}: ${what}`)),
    ...(ended === null ? [] : [`the proxy ended by itself: ${ended}`]),
  ]
}

/** What an attack broke. */
function brokenInRow({ during, failedAfter, recoveredAfterMs, memory }: Row, before: Experience): string[] {
  const gone = memory.filter(({ afterMb }) => afterMb === 0)
  const grown = memory.filter(({ beforeMb, peakMb }) => peakMb - beforeMb > MORE_MB)
  const mostMs = Math.max(SLOWER.leastMs, SLOWER.times * before.p99Ms)
  const left = [
    ...gone.map(({ role }) => `a process ended (${role})`),
    ...grown.map((each) => `the memory of a process grew by more than ${MORE_MB} MB (${inWords(each)})`),
    ...(recoveredAfterMs === null ? ['the others had not recovered in time'] : []),
  ]
  const failed = during.failed + failedAfter
  return [
    ...(failed > 0 ? [`${failed} requests of others failed: ${JSON.stringify(during.causes)}`] : []),
    ...(during.requests === 0 ? ['no request of others was answered'] : []),
    ...(during.p99Ms > mostMs
      ? [`the others' p99 was ${during.p99Ms.toFixed(0)} ms, more than ${mostMs.toFixed(0)} ms`]
      : []),
    ...left,
  ]
}

const COLUMNS = ['attack', 'others', 'failed', 'p50', 'p99', 'max', 'recovered', 'RSS before/peak/after, MB']
const WIDTHS = [38, 8, 8, 9, 9, 9, 11, 0]

export function header(): string {
  return line(COLUMNS)
}

export function rowOf({ attack, during, failedAfter, recoveredAfterMs, memory, counts }: Row): string {
  const met = Object.entries(counts).map(([what, count]) => `${what} ${count}`)
  const recovered = recoveredAfterMs === null ? 'no' : ms(recoveredAfterMs)
  const figures = experience(attack.name, during, during.failed + failedAfter)
  return [line([...figures, recovered, memory.map(inWords).join('  ')]), `  attackers: ${met.join(', ')}`].join('\n')
}

export function quietRow(before: Experience): string {
  return line(experience('(none)', before, before.failed))
}

function experience(name: string, { requests, p50Ms, p99Ms, slowestMs }: Experience, failed: number): string[] {
  return [name, String(requests), String(failed), ms(p50Ms), ms(p99Ms), ms(slowestMs)]
}

function inWords({ role, beforeMb, peakMb, afterMb }: Memory): string {
  return `${role} ${[beforeMb, peakMb, afterMb].map((mb) => mb.toFixed(0)).join('/')}`
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0] ?? 0) : cell.padStart(WIDTHS[i] ?? 0))).join('  ')
}
