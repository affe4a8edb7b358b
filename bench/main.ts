/** `npm run bench`: measures the CPU time per request of each contestant; see README.md. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { constants, cpus, release, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Contestant, contestants, type Launch } from './contestants.ts'
import { assertCorrect } from './correct.ts'
import { cpuMicroseconds } from './cpu-time.ts'
import { h2load } from './h2load.ts'
import { generator, type Load, load } from './load.ts'
import { BenchProcess, freePort, twoCores } from './processes.ts'
import { type Result, type Round, summarize, table } from './report.ts'
import { type Shape, shapes } from './shapes.ts'
import { writeCertificate } from './write-certificate.ts'

interface Running {
  readonly name: string
  readonly url: string
  /** Null = it has no TLS. */
  readonly tlsUrl: string | null
  readonly process: BenchProcess
}

const { rounds, seconds, connections, selected, chosen, json } = readOptions()
const cores = twoCores()
const [proxyCore, otherCore] = cores ?? []
if (!cores) console.warn('Processes are not pinned, which needs taskset and two cores: expect the figures to vary.')

const folder = mkdtempSync(join(tmpdir(), 'cutover-bench-'))
const certificate = writeCertificate(folder)
const processes: BenchProcess[] = []
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    interrupted.abort()
    await cleanUp()
    process.exit(128 + constants.signals[signal])
  })
}

try {
  process.exitCode = (await measure()) ? 0 : 1
} catch (error) {
  if (!interrupted.signal.aborted) console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await cleanUp()
}

/** Measures all contestants, prints and writes the results. Returns false if any request failed. */
async function measure(): Promise<boolean> {
  const upstreamPort = await startUpstream()
  const ceiling = await ask(`http://127.0.0.1:${upstreamPort}/`, seconds, shapes[0] as Shape)
  console.log(
    `${generator}, ${connections} connections; the upstream alone answers ${ceiling.requestsPerSecond.toFixed(0)}/s`,
  )

  const running: Running[] = []
  for (const contestant of selected) {
    const missing = contestant.missing()
    if (missing) console.log(`${contestant.name} is skipped: ${missing}`)
    else running.push(await startContestant(contestant, upstreamPort))
  }

  const results: Record<string, readonly Result[]> = {}
  for (const shape of chosen) {
    console.log(`\n${shape.name}: ${shape.what}`)
    const able = running.filter(({ tlsUrl }) => shape.over === undefined || tlsUrl !== null)
    results[shape.name] = await measureShape(shape, able)
    console.log(`\n${table(results[shape.name] ?? [])}`)
  }
  if (json) {
    const machine = { cpu: cpus()[0]?.model, kernel: release(), node: process.version, pinned: cores !== undefined }
    const settings = { rounds, seconds, connections, generator }
    const report = { at: new Date().toISOString(), machine, settings, upstream: ceiling, results }
    mkdirSync(dirname(json), { recursive: true })
    writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`)
  }
  const all = Object.values(results).flat()
  const clean = all.every((result) => result.rounds.every((round) => round.errors === 0))
  if (!clean) console.error('\nSome requests failed: the figures above are not comparable.')
  return clean
}

async function measureShape(shape: Shape, running: readonly Running[]): Promise<readonly Result[]> {
  const measured = new Map<Running, Round[]>(running.map((contestant) => [contestant, []]))
  for (const contestant of running) await ask(urlOf(contestant, shape), Math.min(seconds, 2), shape)
  for (let round = 1; round <= rounds; round++) {
    for (const [contestant, all] of measured) {
      const one = await measureRound(contestant, shape)
      all.push(one)
      console.log(`round ${round}: ${contestant.name} ${one.cpuMicroseconds.toFixed(1)} µs CPU/req`)
    }
  }
  return [...measured].map(([{ name }, all]) => summarize(name, all))
}

async function startUpstream(): Promise<number> {
  const port = await freePort()
  const script = fileURLToPath(new URL('./upstream.ts', import.meta.url))
  const upstream = start('upstream', [process.execPath, script, `${port}`], otherCore)
  await upstream.ready(`http://127.0.0.1:${port}/`)
  await assertCorrect(port)
  return port
}

/** Starts a contestant, checks that it answers correctly, and warms it up. */
async function startContestant({ name, hasTls, launch }: Contestant, upstreamPort: number): Promise<Running> {
  const [port, tlsPort, adminPort] = [await freePort(), await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}/`
  mkdirSync(join(folder, name))
  const place = { port, tlsPort, certificate, adminPort, upstreamPort, folder: join(folder, name) }
  const { command, env, readyUrl = url } = launch(place)
  const contestant = start(name, command, proxyCore, env)
  try {
    await contestant.ready(readyUrl)
    await assertCorrect(port)
  } catch (error) {
    throw new Error(`${name} ${error instanceof Error ? error.message : error}`)
  }
  return { name, url, tlsUrl: hasTls ? `https://127.0.0.1:${tlsPort}/` : null, process: contestant }
}

async function measureRound(contestant: Running, shape: Shape): Promise<Round> {
  contestant.process.truncateOutput()
  const before = cpuMicroseconds(contestant.process.pid)
  const seen = await ask(urlOf(contestant, shape), seconds, shape)
  return { ...seen, cpuMicroseconds: (cpuMicroseconds(contestant.process.pid) - before) / seen.requests }
}

function urlOf({ url, tlsUrl }: Running, { over }: Shape): string {
  return over === undefined || tlsUrl === null ? url : tlsUrl
}

/** Puts load on a URL, from the core that the contestant does not use. */
function ask(url: string, seconds: number, shape: Shape): Promise<Load> {
  const { path, closes, sendBytes, over, connections: own = connections } = shape
  const target = new URL(path, url).href
  const put = over === 'http2' ? h2load : load
  return put({
    url: target,
    seconds,
    connections: own,
    closes,
    sendBytes,
    core: otherCore,
    signal: interrupted.signal,
  })
}

function start(name: string, command: readonly string[], core?: number, env?: Launch['env']): BenchProcess {
  interrupted.signal.throwIfAborted()
  const started = new BenchProcess(command, join(folder, `${name}.log`), core, env)
  processes.push(started)
  return started
}

async function cleanUp(): Promise<void> {
  await Promise.all(processes.map((child) => child.stop()))
  rmSync(folder, { recursive: true, force: true })
}

function readOptions() {
  try {
    if (process.platform !== 'linux') throw new Error('needs Linux: it reads CPU time from /proc')
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '4' },
        connections: { type: 'string', default: '64' },
        only: { type: 'string' },
        shapes: { type: 'string', default: 'small' },
        json: { type: 'string' },
      },
    })
    return {
      rounds: positive('rounds', values.rounds),
      seconds: positive('seconds', values.seconds),
      connections: positive('connections', values.connections),
      selected: pick('only', values.only, contestants),
      chosen: pick('shapes', values.shapes === 'all' ? undefined : values.shapes, shapes),
      json: values.json,
    }
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : error}`)
    process.exit(2)
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`--${name} needs a whole number above 0`)
}

/** Returns the things with these names, separated by commas; undefined = all. */
function pick<T extends { readonly name: string }>(option: string, names: string | undefined, all: readonly T[]) {
  if (names === undefined) return all
  return names.split(',').map((name) => {
    const found = all.find((each) => each.name === name)
    if (found) return found
    throw new Error(`--${option}: there is no ${name}, only ${all.map((each) => each.name).join(', ')}`)
  })
}
