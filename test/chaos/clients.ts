import { setTimeout as delay } from 'node:timers/promises'
import { Connection } from '../support/connection.ts'
import { Failed } from '../support/failed.ts'
import { Latencies } from '../support/latencies.ts'
import { monotonicMs } from '../support/monotonic.ts'
import type { Seat } from '../support/seat.ts'
import type { Failure } from './casualties.ts'
import { SERVICES } from './services.ts'
import type { Stage } from './stage.ts'

const CLIENTS_PER_SEAT = 8
const PAUSE_MS = [10, 50] as const
/** Shares of the requests, and how long slow ones take at their server. */
const POSTS = 0.3
const LAST_ON_CONNECTION = 0.1
const SLOW = { share: 0.05, mostMs: 400 }
const DOWN_POLL_MS = 20
/** Failures that are noted beside what was done to the fleet. */
const MOST_NOTED = 500

/** Clients that ask through every instance that is there, as behind a load balancer which knows which one is. */
export class Clients {
  readonly failures: Failure[] = []
  readonly latencies = new Latencies()
  sent = 0
  completed = 0
  slowestMs = 0
  readonly #stage: Stage
  readonly #running: Promise<unknown>
  #ending = false

  constructor(stage: Stage) {
    this.#stage = stage
    const lanes = stage.seats.flatMap((seat) =>
      Array.from({ length: CLIENTS_PER_SEAT }, (_, i) => this.#ask(seat, `${seat.name}-${i}`)),
    )
    this.#running = Promise.all(lanes)
  }

  /** Resolves when what was under way has its answer. */
  async stop(): Promise<void> {
    this.#ending = true
    await this.#running
  }

  async #ask(seat: Seat, client: string): Promise<void> {
    let connection: Opened | null = null
    for (let i = 1; !this.#ending; i++) {
      if (this.#stage.down.has(seat)) {
        await delay(DOWN_POLL_MS)
        continue
      }
      connection = await this.#request(seat, `${client}-${i}`, connection)
      await delay(PAUSE_MS[0] + Math.random() * (PAUSE_MS[1] - PAUSE_MS[0]))
    }
    connection?.connection.leave('close')
  }

  /** Sends a request, and resolves with the connection if it can take another one. */
  async #request(seat: Seat, id: string, before: Opened | null): Promise<Opened | null> {
    const service = SERVICES[Math.floor(Math.random() * SERVICES.length)] as string
    const sentAt = monotonicMs()
    this.sent++
    // Between two requests the other side may have ended it: killed, or because it was idle.
    let opened = before?.connection.mostIdleMs === Number.POSITIVE_INFINITY ? null : before
    const openedAt = opened?.openedAt ?? sentAt
    try {
      opened ??= await open(seat, sentAt)
      const closes = await exchange(opened.connection, service, id, seat.name)
      this.completed++
      const ms = monotonicMs() - sentAt
      this.latencies.add(ms)
      this.slowestMs = Math.max(this.slowestMs, ms)
      if (!closes) return opened
    } catch (error) {
      if (!(error instanceof Failed)) throw error
      const failedAt = monotonicMs()
      const cause = error.message
      if (this.failures.length < MOST_NOTED) this.#stage.ledger.note(`        ${id} to ${service}: ${cause}`)
      this.failures.push({ id, seat: seat.name, service, port: opened?.port ?? 0, openedAt, sentAt, failedAt, cause })
    }
    opened?.connection.leave('close')
    return null
  }
}

interface Opened {
  readonly connection: Connection
  /** The client's. */
  readonly port: number
  readonly openedAt: number
}

async function open({ cutover }: Seat, openedAt: number): Promise<Opened> {
  const connection = await Connection.open(Number(new URL(cutover.proxy).port))
  return { connection, port: connection.socket.localPort ?? 0, openedAt }
}

/** Resolves with whether the connection takes no further request. */
async function exchange(connection: Connection, service: string, id: string, via: string): Promise<boolean> {
  const ms = Math.random() < SLOW.share ? Math.floor(Math.random() * SLOW.mostMs) : 0
  const isLast = Math.random() < LAST_ON_CONNECTION
  const body = Math.random() < POSTS ? `order ${id}` : null
  const head = [
    `${body === null ? 'GET' : 'POST'} /?id=${id}&via=${via}&ms=${ms} HTTP/1.1`,
    `Host: ${service}.test`,
    ...(body === null ? [] : [`Content-Length: ${body.length}`]),
    ...(isLast ? ['Connection: close'] : []),
  ]
  connection.send(`${head.join('\r\n')}\r\n\r\n${body ?? ''}`)
  const answer = await connection.head()
  const chunks: Buffer[] = []
  await connection.body(answer, (chunk) => chunks.push(chunk))
  if (answer.status !== 200)
    throw new Failed(`status ${answer.status}`, String(Buffer.concat(chunks)).trim().slice(0, 200))
  const [server = '', ...rest] = String(Buffer.concat(chunks)).split(' ')
  if (!server.startsWith(`${service}/`) || rest.join(' ') !== `${id} ${body?.length ?? 0}`) {
    throw new Failed('wrong answer', `${server} ${rest.join(' ')} to ${id}`)
  }
  return answer.closes || isLast
}
