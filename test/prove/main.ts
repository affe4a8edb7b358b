/** `npm run prove`: switches and changes under full load, and says whether a promise was broken. */
import { parseArgs } from 'node:util'
import { type ChangingProofOptions, proveChanging } from './changing-proof.ts'
import { proveFleet } from './fleet-proof.ts'
import { nameOf, type Protocol, STREAMS } from './frontend.ts'
import { prove } from './proof.ts'
import { print, printChanging, printFleet } from './report.ts'

/** How many changes that drain nothing are timed in a fleet. */
const APPLIES = 200
const SLEEP_SECONDS = 10

const USAGE = `Usage: npm run prove -- [--clients N] [--switches N] [--workers N] [--kill-worker] [--tls] [--http2] [--json]
       npm run prove -- [--rename] [--health] [--reload] [--changes N] [--clients N] [--workers N] [--tls] [--http2] [--json]
       npm run prove -- --fleet [--instances N] [--redis-sleep] [--clients N] [--switches N] [--workers N] [--tls] [--http2]
                        [--json]

Starts Cutover and two pools of two servers, keeps N clients sending at full speed, and switches between the pools.
The moment Cutover answers that the old pool is drained, its servers are stopped. No request may fail, and none may
reach a server that was said to be drained. Exit code: 0 all promises kept, 1 one was broken, 2 unusable arguments.

  --clients N   keep-alive clients, half of them sending POST (default 200)
  --switches N  how often to switch (default 50)
  --workers N   worker processes of an instance; 0 = one process does all (default 2)
  --kill-worker kill one of them (SIGKILL) in the middle: only requests on its connections may fail
  --tls         the clients speak TLS with the instances
  --http2       they speak HTTP/2 (negotiated with --tls, with prior knowledge without it), ${STREAMS} clients to a connection. What
                an instance says it has not processed (REFUSED_STREAM, GOAWAY) is sent again, and counted
  --fleet       several instances on one Redis (redis-server must be installed): the clients are shared out among them,
                and each switch is asked of another one. Then ${APPLIES} shifts of a service without requests are timed, from
                the call to the answer that every worker of every instance has it in force: first with the clients
                still there, then without
  --rename      instead of switching, have the service and its servers renamed in the file, to and fro, reloading it each time
  --health      the same with health checks: on, off, at another path
  --reload      the same with something that concerns no request; the three go together
  --changes N   how often the file changes (default 50)
  --instances N how many (default 3)
  --redis-sleep have Redis answer nothing for ${SLEEP_SECONDS} s in the middle (DEBUG SLEEP): no request may fail, and the p99
                of requests may grow by half and 5 ms against the ${SLEEP_SECONDS} s before
  --json        print the figures as JSON
  --help        this text`

const EXIT = { kept: 0, broken: 1, unusable: 2 }
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'number') return options
  const { protocol, clients, switches, workers, killWorker, fleet, instances, redisSleep, changing, json } = options
  const common = { protocol, clients, switches, workers, onSwitch: progress(json), signal: interrupted.signal }
  if (changing !== null) return changes({ ...changing, protocol, clients, workers }, json)
  const where = fleet ? ` of ${instances} instances` : ''
  if (!json) console.log(`${switches} switches${where} ${load(protocol, clients)}:`)
  try {
    const { broken } = fleet
      ? show(
          await proveFleet({
            ...common,
            instances,
            applies: APPLIES,
            redisSleepSeconds: redisSleep ? SLEEP_SECONDS : 0,
          }),
          json || printFleet,
        )
      : show(await prove({ ...common, killWorker }), json || print)
    return broken.length === 0 ? EXIT.kept : EXIT.broken
  } catch (error) {
    console.error(interrupted.signal.aborted ? 'interrupted' : error)
    return EXIT.broken
  }
}

/** "over HTTP/1.1 under the load of 200 clients" */
function load(protocol: Protocol, clients: number): string {
  const shared = protocol.http2 ? `, ${STREAMS} to a connection` : ''
  return `over ${nameOf(protocol)} under the load of ${clients} clients${shared}`
}

async function changes(options: ChangingProofOptions, json: boolean): Promise<number> {
  if (!json) console.log(`${options.count} changes of the file ${load(options.protocol, options.clients)}:`)
  try {
    const { signal } = interrupted
    const proof = await proveChanging({ ...options, onChange: progress(json), signal })
    return show(proof, json || printChanging).broken.length === 0 ? EXIT.kept : EXIT.broken
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
        tls: { type: 'boolean', default: false },
        http2: { type: 'boolean', default: false },
        fleet: { type: 'boolean', default: false },
        instances: { type: 'string' },
        'redis-sleep': { type: 'boolean', default: false },
        rename: { type: 'boolean', default: false },
        health: { type: 'boolean', default: false },
        reload: { type: 'boolean', default: false },
        changes: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      return EXIT.kept
    }
    const { fleet } = values
    if (!fleet && (values.instances !== undefined || values['redis-sleep'])) {
      throw new Error('--instances and --redis-sleep are for --fleet')
    }
    if (fleet && values['kill-worker']) throw new Error('--kill-worker is not for --fleet')
    const { rename, health, reload } = values
    const isChanging = rename || health || reload
    if (isChanging && (fleet || values['kill-worker'])) {
      throw new Error('--rename, --health and --reload go neither with --fleet nor with --kill-worker')
    }
    if (!isChanging && values.changes !== undefined) throw new Error('--changes is for --rename, --health and --reload')
    const count = wholeNumber('changes', values.changes ?? '50')
    return {
      protocol: { tls: values.tls, http2: values.http2 },
      changing: isChanging ? { rename, health, reload, count } : null,
      fleet,
      instances: wholeNumber('instances', values.instances ?? '3'),
      redisSleep: values['redis-sleep'],
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

/** Prints a proof, as JSON if told so, and passes it on. */
function show<P extends object>(proof: P, how: true | ((proof: P) => void)): P {
  if (how === true) console.log(JSON.stringify(proof, null, 2))
  else how(proof)
  return proof
}
