/** `npm run prove`: switches under full load, and says whether a promise was broken. */
import { parseArgs } from 'node:util'
import type { Proof } from './proof.ts'
import { prove } from './proof.ts'

const USAGE = `Usage: npm run prove -- [--clients N] [--switches N] [--workers N] [--kill-worker] [--json]

Starts Cutover and two pools of two servers, keeps N clients sending at full speed, and switches between the pools.
The moment Cutover answers that the old pool is drained, its servers are stopped. No request may fail, and none may
reach a server that was said to be drained. Exit code: 0 all promises kept, 1 one was broken, 2 unusable arguments.

  --clients N   keep-alive clients, half of them sending POST (default 200)
  --switches N  how often to switch (default 50)
  --workers N   worker processes; 0 = one process does all (default 2)
  --kill-worker kill one of them (SIGKILL) in the middle: only requests on its connections may fail
  --json        print the figures as JSON
  --help        this text`

const EXIT = { kept: 0, broken: 1, unusable: 2 }
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'number') return options
  const { clients, switches, workers, killWorker, json } = options
  if (!json) console.log(`${switches} switches under the load of ${clients} clients:`)
  try {
    const proof = await prove({
      clients,
      switches,
      workers,
      killWorker,
      onSwitch: progress(json),
      signal: interrupted.signal,
    })
    if (json) console.log(JSON.stringify(proof, null, 2))
    else print(proof)
    return proof.broken.length === 0 ? EXIT.kept : EXIT.broken
  } catch (error) {
    console.error(interrupted.signal.aborted ? 'interrupted' : error)
    return EXIT.broken
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        clients: { type: 'string', default: '200' },
        switches: { type: 'string', default: '50' },
        workers: { type: 'string', default: '2' },
        'kill-worker': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      return EXIT.kept
    }
    return {
      clients: wholeNumber('clients', values.clients),
      switches: wholeNumber('switches', values.switches),
      workers: values.workers === '0' ? 0 : wholeNumber('workers', values.workers),
      killWorker: values['kill-worker'],
      json: values.json,
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return EXIT.unusable
  }
}

function wholeNumber(name: string, text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new Error(`--${name} must be a whole number from 1 to 999999, not ${JSON.stringify(text)}`)
}

/** A dot a switch where somebody may be watching. */
function progress(json: boolean): (ms: number) => void {
  return () => {
    if (!json && process.stdout.isTTY) process.stdout.write('.')
  }
}

function print(proof: Proof): void {
  const lines: [string, string][] = [
    ['requests sent', count(proof.requestsSent)],
    ['requests failed', count(proof.requestsFailed)],
    ...(proof.connectionsLost > 0
      ? [['connections of the killed worker', count(proof.connectionsLost)] as [string, string]]
      : []),
    ['requests seen by a drained server', count(proof.requestsSeenByDrained)],
    ['slowest switch until drained', `${proof.slowestSwitchMs.toFixed(0)} ms`],
    ['median switch until drained', `${proof.medianSwitchMs.toFixed(0)} ms`],
    ['slowest request', `${proof.slowestRequestMs.toFixed(0)} ms`],
    ['requests per second', count(Math.round(proof.requestsPerSecond))],
  ]
  if (process.stdout.isTTY) console.log()
  for (const [name, value] of lines) console.log(`${name.padEnd(36)}${value.padStart(12)}`)
  for (const promise of proof.broken) console.error(`BROKEN: ${promise}`)
  console.log(proof.broken.length === 0 ? 'All promises kept.' : `${proof.broken.length} promises broken.`)
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
