import { setTimeout as delay } from 'node:timers/promises'
import { Connection } from '../support/connection.ts'
import { Failed } from '../support/failed.ts'
import { Latencies } from '../support/latencies.ts'
import { HOST } from './attacks/attack.ts'

const CLIENTS = 12
const PAUSE_MS = [15, 40] as const
const LAST_ON_CONNECTION = 0.2

/** What the others had from the proxy over a stretch of time. */
export interface Experience {
  readonly requests: number
  readonly failed: number
  /** Failures by what went wrong. */
  readonly causes: Readonly<Record<string, number>>
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of what was answered, and of what was not by then. */
  readonly slowestMs: number
}

/** Clients who behave, and ask all the while. */
export class Others {
  readonly #port: number
  readonly #running: Promise<unknown>
  /** When what is under way was asked for, by client. */
  readonly #since = new Map<number, number>()
  #latencies = new Latencies()
  #requests = 0
  #slowestMs = 0
  #causes: Record<string, number> = {}
  #ending = false

  constructor(port: number) {
    this.#port = port
    this.#running = Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.#ask(client)))
  }

  /** What there was since the last call of this, which begins a new stretch. */
  experience(): Experience {
    const now = performance.now()
    const underWay = [...this.#since.values()].map((since) => now - since)
    const failed = Object.values(this.#causes).reduce((sum, count) => sum + count, 0)
    const { p50Ms, p99Ms } = this.#latencies.figures
    const slowestMs = Math.max(this.#slowestMs, ...underWay)
    const experience = { requests: this.#requests, failed, causes: this.#causes, p50Ms, p99Ms, slowestMs }
    this.#latencies = new Latencies()
    this.#requests = 0
    this.#slowestMs = 0
    this.#causes = {}
    return experience
  }

  async stop(): Promise<void> {
    this.#ending = true
    await this.#running
  }

  async #ask(client: number): Promise<void> {
    let connection: Connection | null = null
    while (!this.#ending) {
      const since = performance.now()
      this.#since.set(client, since)
      try {
        if (connection === null || connection.mostIdleMs === Number.POSITIVE_INFINITY) {
          connection = await Connection.open(this.#port)
        }
        const isLast = Math.random() < LAST_ON_CONNECTION
        const closes = await exchange(connection, isLast)
        const ms = performance.now() - since
        this.#latencies.add(ms)
        this.#slowestMs = Math.max(this.#slowestMs, ms)
        if (closes) {
          connection.leave('close')
          connection = null
        }
      } catch (error) {
        if (!(error instanceof Failed)) throw error
        this.#causes[error.message] = (this.#causes[error.message] ?? 0) + 1
        connection?.leave('close')
        connection = null
      }
      this.#requests++
      this.#since.delete(client)
      await delay(PAUSE_MS[0] + Math.random() * (PAUSE_MS[1] - PAUSE_MS[0]))
    }
    connection?.leave('close')
  }
}

/** Resolves with whether the connection takes no further request. */
async function exchange(connection: Connection, isLast: boolean): Promise<boolean> {
  connection.send(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n${isLast ? 'Connection: close\r\n' : ''}\r\n`)
  const answer = await connection.head()
  let body = ''
  await connection.body(answer, (chunk) => {
    body += chunk
  })
  if (answer.status !== 200) throw new Failed(`status ${answer.status}`, body.trim().slice(0, 80))
  if (body !== 'ok') throw new Failed('wrong answer', body.slice(0, 80))
  return answer.closes || isLast
}
