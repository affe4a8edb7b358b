/** `npm run bench:servers`: times of an instance with very many servers; see README.md. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { BenchProcess, freePort, processesOf } from './processes.ts'
import { addressOf } from './servers-addresses.ts'

const SERVERS = Number(process.argv[2] ?? 10_000)
const FLAPPING = Math.min(3_000, SERVERS)
const SERVERS_PER_SERVICE = 100
const ROUNDS = 3
const LIMIT_MS = 60_000
const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const UPSTREAM = fileURLToPath(new URL('./servers-upstream.ts', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'cutover-bench-'))
const started: BenchProcess[] = []
try {
  const [upstreamPort, port, adminPort] = [await freePort(), await freePort(), await freePort()]
  const [upstream, admin] = [`http://127.0.0.1:${upstreamPort}`, `http://127.0.0.1:${adminPort}`]
  await start('upstream', [process.execPath, UPSTREAM, `${upstreamPort}`]).ready(upstream)
  const file = join(folder, 'cutover.json')
  const data = join(folder, 'data')
  const config = {
    proxy: { listen: `127.0.0.1:${port}`, workers: 2, accessLog: 'off' },
    admin: { listen: `127.0.0.1:${adminPort}` },
    store: { path: data },
    services: services(upstreamPort),
  }
  writeFileSync(file, JSON.stringify(config))
  console.log(`${SERVERS} servers in ${Object.keys(config.services).length} services, checked every 5 s`)
  for (let round = 1; round <= ROUNDS; round++) {
    rmSync(data, { recursive: true, force: true })
    const startedAt = performance.now()
    const cutover = start(`cutover-${round}`, [process.execPath, MAIN, 'run', '--config', file])
    await cutover.ready(`${admin}/ready`, LIMIT_MS)
    const startMs = performance.now() - startedAt
    const killedAt = performance.now()
    process.kill(await controlPid(admin), 'SIGKILL')
    await cutover.ready(`${admin}/ready`, LIMIT_MS)
    const backMs = performance.now() - killedAt
    // The first checks of the new process are over.
    await sleep(6_000)
    const downMs = await flap(admin, upstream, FLAPPING)
    const upMs = await flap(admin, upstream, 0)
    console.log(
      `round ${round}: ready after ${seconds(startMs)}; control killed and back after ${seconds(backMs)}; ` +
        `slowest /healthz while ${FLAPPING} servers go down ${downMs.toFixed(0)} ms, come up ${upMs.toFixed(0)} ms`,
    )
    await cutover.stop()
  }
} finally {
  await Promise.all(started.map((child) => child.stop()))
  rmSync(folder, { recursive: true, force: true })
}

function start(name: string, command: readonly string[]): BenchProcess {
  const child = new BenchProcess(command, join(folder, `${name}.log`))
  started.push(child)
  return child
}

function services(port: number): Readonly<Record<string, object>> {
  const all = Array.from({ length: SERVERS }, (_, i) => [`server${i}`, `http://${addressOf(i)}:${port}`] as const)
  return Object.fromEntries(
    Array.from({ length: Math.ceil(SERVERS / SERVERS_PER_SERVICE) }, (_, i) => {
      const servers = Object.fromEntries(all.slice(i * SERVERS_PER_SERVICE, (i + 1) * SERVERS_PER_SERVICE))
      const health = { interval: '5s', rise: 1, fall: 1 }
      return [`service${i}`, { hosts: [`service${i}.test`], health, pools: { main: { servers } } }]
    }),
  )
}

async function controlPid(admin: string): Promise<number> {
  return (await processesOf(admin)).find(({ role }) => role === 'control')?.pid ?? 0
}

/** Makes the first servers fail from now on; returns the time of the slowest answer until all are known to, ms. */
async function flap(admin: string, upstream: string, failFirst: number): Promise<number> {
  const services = FLAPPING / SERVERS_PER_SERVICE
  const wanted = failFirst > 0 ? 0 : SERVERS_PER_SERVICE
  let isOver = false
  const slowest = slowestAnswer(`${admin}/healthz`, () => isOver)
  await (await fetch(`${upstream}/fail?first=${failFirst}`)).bytes()
  for (let i = 0; i < services; ) {
    const response = await fetch(`${admin}/api/services/service${i}`)
    const { pools } = (await response.json()) as { pools: { up: number }[] }
    if (pools[0]?.up === wanted) i++
    else await sleep(200)
  }
  isOver = true
  return slowest
}

/** Asks again and again until `isOver()`, and returns the time of the slowest answer, ms. */
async function slowestAnswer(url: string, isOver: () => boolean): Promise<number> {
  let slowestMs = 0
  while (!isOver()) {
    const since = performance.now()
    await (await fetch(url)).bytes()
    slowestMs = Math.max(slowestMs, performance.now() - since)
    await sleep(2)
  }
  return slowestMs
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`
}
