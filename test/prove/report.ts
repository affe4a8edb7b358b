import type { ChangingProof } from './changing-proof.ts'
import type { FleetProof } from './fleet-proof.ts'
import type { Proof } from './proof.ts'

type Line = readonly [name: string, value: string]

/** What to apply a change takes at the 99th percentile, if all is well. */
const APPLY_AIM_MS = 50

/** Prints the figures of a proof, and whether its promises were kept. */
export function print(proof: Proof): void {
  const lost: Line[] =
    proof.connectionsLost > 0 ? [['connections of the killed worker', count(proof.connectionsLost)]] : []
  printLines([...requests(proof), ...lost, ...switches(proof)], proof.broken)
}

/** The same of a fleet. */
export function printFleet(proof: FleetProof): void {
  const { redisSleep } = proof
  const { underLoad, withoutLoad } = proof.applying
  const standing = underLoad.p99Ms < APPLY_AIM_MS ? 'reached' : 'missed'
  const asleep: Line[] =
    redisSleep === null
      ? []
      : [
          [`requests failed in ${redisSleep.seconds} s before`, count(redisSleep.before.failed)],
          [`requests failed in ${redisSleep.seconds} s of Redis asleep`, count(redisSleep.during.failed)],
          ['p99 of requests before', precise(redisSleep.before.p99Ms)],
          ['p99 of requests while Redis slept', precise(redisSleep.during.p99Ms)],
        ]
  const lines: Line[] = [
    ...requests(proof),
    ...switches(proof),
    ['p99 switch until drained', whole(proof.p99SwitchMs)],
    ['changes timed until applied', count(underLoad.count)],
    ['median until applied everywhere', precise(underLoad.medianMs)],
    ['p99 until applied everywhere', precise(underLoad.p99Ms)],
    ['slowest until applied everywhere', precise(underLoad.slowestMs)],
    [`p99 aimed at: below ${APPLY_AIM_MS} ms`, standing],
    ['the same without load: median', precise(withoutLoad.medianMs)],
    ['the same without load: p99', precise(withoutLoad.p99Ms)],
    ['the same without load: slowest', precise(withoutLoad.slowestMs)],
    ...asleep,
  ]
  printLines(lines, proof.broken)
}

/** The same of changes of the file. */
export function printChanging({ changes, ...proof }: ChangingProof): void {
  const lines: Line[] = [
    ...requests(proof),
    ['changes', count(changes.count)],
    ['median change until in force', whole(changes.medianMs)],
    ['slowest change until in force', whole(changes.slowestMs)],
    ['slowest request', whole(proof.slowestRequestMs)],
    ['requests per second', count(Math.round(proof.requestsPerSecond))],
  ]
  printLines(lines, proof.broken)
}

type Requests = Pick<Proof, 'protocol' | 'requestsSent' | 'requestsFailed' | 'requestsRepeated'>

/** Only a client of HTTP/2 can know that a request was not processed. */
function requests({ protocol, requestsSent, requestsFailed, requestsRepeated }: Requests): Line[] {
  return [
    ['requests sent', count(requestsSent)],
    ['requests failed', count(requestsFailed)],
    ...(protocol.startsWith('HTTP/2') ? [['requests sent again (HTTP/2)', count(requestsRepeated)] as const] : []),
  ]
}

function switches(proof: Omit<Proof, 'connectionsLost'>): Line[] {
  return [
    ['requests seen by a drained server', count(proof.requestsSeenByDrained)],
    ['slowest switch until drained', whole(proof.slowestSwitchMs)],
    ['median switch until drained', whole(proof.medianSwitchMs)],
    ['slowest request', whole(proof.slowestRequestMs)],
    ['requests per second', count(Math.round(proof.requestsPerSecond))],
  ]
}

function printLines(lines: readonly Line[], broken: readonly string[]): void {
  if (process.stdout.isTTY) console.log()
  for (const [name, value] of lines) console.log(`${name.padEnd(36)}${value.padStart(12)}`)
  for (const promise of broken) console.error(`BROKEN: ${promise}`)
  console.log(broken.length === 0 ? 'All promises kept.' : `${broken.length} promises broken.`)
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function whole(ms: number): string {
  return `${ms.toFixed(0)} ms`
}

function precise(ms: number): string {
  return `${ms.toFixed(1)} ms`
}
