/**
 * A load generator for machines without wrk: keeps one request in flight on each of its connections.
 * Usage: node load-client.ts URL SECONDS CONNECTIONS; prints a `Load` (load.ts) as JSON.
 */
import { connect } from 'node:net'
import type { Load } from './load.ts'

const [target, seconds, connections] = process.argv.slice(2)
const url = new URL(target as string)
const request = Buffer.from(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`)

const latencies: number[] = []
let errors = 0
let running = true

function open(): void {
  const socket = connect(Number(url.port), url.hostname)
  let answer: Buffer = Buffer.alloc(0)
  let sentAt = 0
  const send = () => {
    sentAt = performance.now()
    socket.write(request)
  }
  socket.setNoDelay(true)
  socket.on('connect', send)
  socket.on('data', (chunk: Buffer) => {
    answer = answer.length === 0 ? chunk : Buffer.concat([answer, chunk])
    const head = answer.indexOf('\r\n\r\n')
    if (head < 0) return
    const text = answer.toString('latin1', 0, head)
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1])
    if (answer.length < head + 4 + length) return
    if (!running) return
    latencies.push(performance.now() - sentAt)
    if (!/^HTTP\/1\.1 2/.test(text) || Number.isNaN(length)) errors++
    answer = Buffer.alloc(0)
    send()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    if (!running) return
    errors++
    setTimeout(open, 10)
  })
}

for (let i = 0; i < Number(connections); i++) open()
const startedAt = performance.now()

setTimeout(() => {
  running = false
  const elapsed = (performance.now() - startedAt) / 1_000
  latencies.sort((a, b) => a - b)
  const percentile = (share: number) => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN
  const result: Load = {
    requests: latencies.length,
    requestsPerSecond: latencies.length / elapsed,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    errors,
  }
  process.stdout.write(JSON.stringify(result), () => process.exit(0))
}, Number(seconds) * 1_000)
