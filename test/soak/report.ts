import type { Result, Service } from './figures.ts'
import { KINDS, SERVICES } from './figures.ts'
import { mb } from './judge.ts'
import { failedIn } from './tally.ts'

/** The figures of a run, for people. */
export function report(result: Result): string {
  return [
    `Soak of ${count(result.seconds)} s, after ${count(result.warmUpSeconds)} s of warm-up:`,
    ...SERVICES.flatMap((service) => ['', ...requests(result, service)]),
    '',
    `small GETs: ${SERVICES.map((service) => latency(result, service)).join('; ')}`,
    `operations on steady: ${list(result.operations)}`,
    `troubles of rough's servers: ${list(result.episodes)}; ${count(result.disturbed)} requests disturbed`,
    `failures on rough explained by: ${list(result.explained)}`,
    '',
    ...resources(result),
    ...result.unexplained.map(({ service, id, detail }) => `unexplained: ${service} ${id}: ${detail}`),
    ...result.loggedErrors.slice(0, 5).map((line) => `logged: ${line.slice(0, 2_000)}`),
    ...result.printed.slice(0, 5).map((line) => `printed: ${line}`),
    ...result.refusedOperations.slice(0, 20).map((refused) => `not done: ${refused}`),
  ].join('\n')
}

/** The last line. */
export function verdict(broken: readonly string[]): string {
  const reasons = broken.map((each) => `BROKEN: ${each}\n`).join('')
  return `${reasons}Verdict: ${broken.length === 0 ? 'all promises kept.' : `${broken.length} broken.`}`
}

function requests({ counts }: Result, service: Service): string[] {
  const rows = KINDS.map((kind) => [kind, counts[service][kind]] as const)
  const header = `${service.padEnd(16)}${'ok'.padStart(12)}${'failed'.padStart(10)}`
  const lines = rows.map(([kind, each]) => {
    const causes = Object.keys(each.failed).length === 0 ? '' : `   ${list(each.failed)}`
    return `  ${kind.padEnd(14)}${count(each.ok).padStart(12)}${count(failedIn(each)).padStart(10)}${causes}`
  })
  const ok = rows.reduce((sum, [, each]) => sum + each.ok, 0)
  const failed = rows.reduce((sum, [, each]) => sum + failedIn(each), 0)
  return [header, ...lines, `  ${'in all'.padEnd(14)}${count(ok).padStart(12)}${count(failed).padStart(10)}`]
}

function latency({ latency }: Result, service: Service): string {
  const { p50Ms, p99Ms } = latency[service]
  return `${service} p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`
}

function resources({ start, end, samples }: Result): string[] {
  const most = (key: 'rssBytes' | 'heapBytes' | 'fileDescriptors' | 'clientConnections' | 'inFlight') =>
    Math.max(start[key], end[key], ...samples.map((sample) => sample[key]))
  const row = (name: string, ...cells: readonly string[]) =>
    `${name.padEnd(22)}${cells.map((cell) => cell.padStart(16)).join('')}`
  const plain = (name: string, key: 'fileDescriptors' | 'clientConnections' | 'inFlight') =>
    row(name, count(start[key]), count(end[key]), count(most(key)))
  return [
    row('', 'after warm-up', 'at the end', 'most seen'),
    row('RSS', mb(start.rssBytes), mb(end.rssBytes), mb(most('rssBytes'))),
    row('heap', mb(start.heapBytes), mb(end.heapBytes), mb(most('heapBytes'))),
    plain('file descriptors', 'fileDescriptors'),
    plain('client connections', 'clientConnections'),
    plain('requests in flight', 'inFlight'),
  ]
}

function list(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, value]) => `${name} ${count(value)}`)
  return parts.length === 0 ? 'none' : parts.join(', ')
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
