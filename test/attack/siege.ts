import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Cutover } from '../support/cutover.ts'
import { freePort } from '../support/upstream.ts'
import { AttackerProcess } from './attacker-process.ts'
import type { Attack } from './attacks/attack.ts'
import { HOST } from './attacks/attack.ts'
import type { Target } from './crowd.ts'
import { type Memory, MemoryWatch } from './memory.ts'
import { type Experience, Others } from './others.ts'

export interface SiegeOptions {
  readonly attacks: readonly Attack[]
  /** How long an attack of weight 1 lasts, ms. */
  readonly attackMs: number
  /** How long it is looked at what the others have without attacks, ms. */
  readonly beforeMs: number
  /** Called with what the others have before anything happens, and with each row as it is there. */
  readonly onBefore?: (before: Experience) => void
  readonly onRow?: (row: Row) => void
  readonly signal?: AbortSignal
}

/** An attack, and what the others noticed of it. */
export interface Row {
  readonly attack: Attack
  /** What the attackers have met. */
  readonly counts: Readonly<Record<string, number>>
  readonly during: Experience
  /** After it, until the others were as well off as before; null: they were not within the limit. */
  readonly recoveredAfterMs: number | null
  readonly failedAfter: number
  readonly memory: readonly Memory[]
}

export interface SiegeResult {
  /** What the others have when nobody attacks. */
  readonly before: Experience
  readonly rows: readonly Row[]
  /** How the proxy ended by itself; null: it did not. */
  readonly ended: string | null
}

const WORKERS = 2
/** The default limit of many systems. */
const DESCRIPTORS = 1_024
const TOKEN = 'the-token-of-the-admin'
const RECOVERY_LIMIT_MS = 5_000
const RECOVERY_LOOK_MS = 300
/** Recovered: no request fails, and the slowest takes at most so many times the 99th percentile from before, in bounds. */
const RECOVERED = { times: 3, leastMs: 100, mostMs: 1_000 }

/** Runs one attack after another against an instance while well-behaved clients go on, and reports what those noticed. */
export async function siege(options: SiegeOptions): Promise<SiegeResult> {
  const app = fork(fileURLToPath(new URL('app.ts', import.meta.url)), [], { execArgv: [] })
  let cutover: Cutover | null = null
  let attackers: AttackerProcess | null = null
  try {
    const [appPort] = (await once(app, 'message')) as [number]
    const proxyHeaderPort = await freePort()
    cutover = await start(appPort, proxyHeaderPort)
    attackers = await AttackerProcess.start()
    return await run(cutover, attackers, proxyHeaderPort, options)
  } finally {
    await attackers?.stop()
    await cutover?.stop('SIGKILL')
    await end(app)
  }
}

function start(appPort: number, proxyHeaderPort: number): Promise<Cutover> {
  const server = `http://127.0.0.1:${appPort}`
  return Cutover.start({
    services: {
      shop: {
        hosts: [HOST],
        pools: { blue: { servers: { blue1: server } }, green: { servers: { green1: server } } },
        split: { blue: 100 },
        health: { path: '/', interval: '200ms' },
      },
    },
    proxy: {
      workers: WORKERS,
      listen: ['127.0.0.1:0', { address: `127.0.0.1:${proxyHeaderPort}`, proxyProtocol: true }],
      trustedProxies: ['127.0.0.1'],
    },
    admin: { tokens: [{ name: 'boss', role: 'admin', token: TOKEN }] },
    descriptors: DESCRIPTORS,
  })
}

async function run(
  cutover: Cutover,
  attackers: AttackerProcess,
  proxyHeaderPort: number,
  { attacks, attackMs, beforeMs, onBefore = () => undefined, onRow = () => undefined, signal }: SiegeOptions,
): Promise<SiegeResult> {
  const proxyPort = Number(new URL(cutover.proxy).port)
  const adminPort = Number(new URL(cutover.admin).port)
  const target = { proxyPort, proxyHeaderPort, adminPort, token: TOKEN }
  const others = new Others(proxyPort)
  try {
    // The first requests take longer: code is compiled, connections are made.
    await delay(beforeMs)
    others.experience()
    await delay(beforeMs)
    const before = others.experience()
    onBefore(before)
    const rows: Row[] = []
    for (const attack of attacks) {
      if (signal?.aborted || !isAlive(cutover)) break
      const row = await attacked(cutover, attackers, others, attack, target, attackMs * (attack.weight ?? 1), before)
      rows.push(row)
      onRow(row)
    }
    return { before, rows, ended: isAlive(cutover) ? null : JSON.stringify(await cutover.exited) }
  } finally {
    await others.stop()
  }
}

async function attacked(
  cutover: Cutover,
  attackers: AttackerProcess,
  others: Others,
  attack: Attack,
  target: Target,
  attackMs: number,
  before: Experience,
): Promise<Row> {
  const memory = new MemoryWatch(cutover.process.pid ?? -1)
  others.experience()
  if (attack.leavesOutputUnread) cutover.process.stdout?.pause()
  attackers.begin(attack.name, target)
  await delay(attackMs)
  const counts = await attackers.end()
  const during = others.experience()
  cutover.process.stdout?.resume()
  const { recoveredAfterMs, failedAfter } = await recovery(others, before)
  return { attack, counts, during, recoveredAfterMs, failedAfter, memory: memory.end() }
}

async function recovery(others: Others, before: Experience): Promise<Pick<Row, 'recoveredAfterMs' | 'failedAfter'>> {
  const mostMs = Math.min(RECOVERED.mostMs, Math.max(RECOVERED.leastMs, RECOVERED.times * before.p99Ms))
  const since = performance.now()
  let failedAfter = 0
  do {
    await delay(RECOVERY_LOOK_MS)
    const { failed, slowestMs, requests } = others.experience()
    failedAfter += failed
    const isWell = failed === 0 && requests > 0 && slowestMs <= mostMs
    if (isWell) return { recoveredAfterMs: performance.now() - since, failedAfter }
  } while (performance.now() - since < RECOVERY_LIMIT_MS)
  return { recoveredAfterMs: null, failedAfter }
}

function isAlive({ process: { exitCode, signalCode } }: Cutover): boolean {
  return exitCode === null && signalCode === null
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
