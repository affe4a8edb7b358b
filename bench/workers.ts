/** `npm run bench:workers`: measures throughput, CPU and memory with 0, 1 and 2 workers; see README.md. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cpuMicroseconds } from './cpu-time.ts'
import { load } from './load.ts'
import { BenchProcess, type CutoverProcess, freePort, processesOf } from './processes.ts'

const SECONDS = 4
const CONNECTIONS = 64
const IDLE = 5_000
const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const UPSTREAM = fileURLToPath(new URL('./upstream.ts', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'cutover-bench-'))
const started: BenchProcess[] = []
const signal = new AbortController().signal
try {
  const upstream = await freePort()
  await start('upstream', [process.execPath, UPSTREAM, `${upstream}`], `http://127.0.0.1:${upstream}/`)
  for (const workers of [0, 1, 2]) await measure(workers, upstream)
} finally {
  await Promise.all(started.map((child) => child.stop()))
  rmSync(folder, { recursive: true, force: true })
}

async function measure(workers: number, upstream: number): Promise<void> {
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = join(folder, `workers-${workers}.json`)
  const servers = { one: `http://127.0.0.1:${upstream}` }
  const config = {
    proxy: { listen: `127.0.0.1:${port}`, workers, accessLog: 'off' },
    admin: { listen: `127.0.0.1:${adminPort}` },
    store: { path: join(folder, `data-${workers}`) },
    services: { bench: { pools: { main: { servers } }, health: 'off' } },
  }
  writeFileSync(file, JSON.stringify(config))
  const url = `http://127.0.0.1:${port}/`
  const child = await start(`workers-${workers}`, [process.execPath, MAIN, 'run', '--config', file], url)
  const processes = await processesOf(`http://127.0.0.1:${adminPort}`)
  const kept = await timed(child, url)
  const each = await timed(child, url, true)
  const before = memory(processes)
  const sockets = await open(port, IDLE)
  const after = memory(processes)
  for (const socket of sockets) socket.destroy()
  await child.stop()
  console.log(`workers ${workers}
  kept-alive connections  ${kept.perSecond.toFixed(0).padStart(7)} requests/s   ${kept.cpu.toFixed(1)} µs CPU per request
  connection per request  ${each.perSecond.toFixed(0).padStart(7)} requests/s   ${each.cpu.toFixed(1)} µs CPU per request
  memory, MB (resident; and with ${IDLE} idle connections)`)
  for (const [i, { role }] of processes.entries()) {
    console.log(`    ${role.padEnd(12)} ${megabytes(before[i])} → ${megabytes(after[i])}`)
  }
}

async function timed(child: BenchProcess, url: string, closes = false) {
  await load({ url, seconds: 1, connections: CONNECTIONS, core: undefined, signal, closes })
  const before = cpuMicroseconds(child.pid)
  const seen = await load({ url, seconds: SECONDS, connections: CONNECTIONS, core: undefined, signal, closes })
  if (seen.errors > 0) throw new Error(`${seen.errors} requests failed`)
  return { perSecond: seen.requestsPerSecond, cpu: (cpuMicroseconds(child.pid) - before) / seen.requests }
}

function memory(processes: readonly CutoverProcess[]): number[] {
  return processes.map(({ pid }) => {
    const [, kilobytes = '0'] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kilobytes) * 1_024
  })
}

/** Opens connections in portions small enough for any backlog. */
async function open(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const portion = Array.from({ length: Math.min(250, count - sockets.length) }, () => connect(port, '127.0.0.1'))
    await Promise.all(portion.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
    sockets.push(...portion)
  }
  return sockets
}

async function start(name: string, command: readonly string[], readyUrl: string): Promise<BenchProcess> {
  const child = new BenchProcess(command, join(folder, `${name}.log`))
  started.push(child)
  await child.ready(readyUrl)
  return child
}

function megabytes(bytes = 0): string {
  return (bytes / 1e6).toFixed(0).padStart(4)
}
