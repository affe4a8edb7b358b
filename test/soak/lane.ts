import { Connection } from '../support/connection.ts'
import { Failed } from '../support/failed.ts'
import type { Head } from '../support/head.ts'
import type { Kind, Service } from './figures.ts'
import type { Tally } from './tally.ts'
import { ID_FIELD } from './upstream-messages.ts'

/**
 * A connection on which nothing was asked for longer is not used again: the proxy may be closing it in this very moment,
 * which no proxy can help. Far below its `timeouts.keepAlive`, for busy machines.
 */
const REUSE_MS = 800

/** What all lanes have in common. */
export interface Traffic {
  /** Of the proxy. */
  readonly port: number
  readonly tally: Tally
  /** How long streams last, on average. */
  readonly streamMs: number
  /** Waits between two requests; the busier the machine, the longer. */
  pause(ms: number): Promise<void>
}

/** One client: it makes one kind of request to one service, one after the other. */
export class Lane {
  readonly traffic: Traffic
  readonly service: Service
  readonly kind: Kind
  /** Requests so far. */
  count = 0
  private readonly prefix: string
  private connection: Connection | null = null

  constructor(traffic: Traffic, service: Service, kind: Kind, index: number) {
    this.traffic = traffic
    this.service = service
    this.kind = kind
    this.prefix = `${service}-${kind.replaceAll(' ', '-')}-${index}`
  }

  get host(): string {
    return `${this.service}.test`
  }

  /** A name that no other request has. */
  nextId(): string {
    return `${this.prefix}-${++this.count}`
  }

  /** The kept connection, or a new one. */
  async connect(): Promise<Connection> {
    const { connection } = this
    if (connection !== null && connection.mostIdleMs < REUSE_MS) {
      if (connection.hasSurplus) throw new Failed('surplus bytes')
      return connection
    }
    connection?.leave('close')
    this.connection = null
    this.connection = await Connection.open(this.traffic.port)
    return this.connection
  }

  drop(how: 'close' | 'reset' = 'close'): void {
    this.connection?.leave(how)
    this.connection = null
  }

  /** The head of a request, with the empty line. `fields`: whole lines. */
  head(method: string, target: string, id: string, fields: readonly string[] = [], version = '1.1'): string {
    const lines = [`${method} ${target} HTTP/${version}`, `Host: ${this.host}`, `${ID_FIELD}: ${id}`, ...fields]
    return `${lines.join('\r\n')}\r\n\r\n`
  }

  /** Makes one request, and counts what becomes of it. Returns how it failed, or null. */
  async attempt(id: string, request: () => Promise<void>): Promise<Failed | null> {
    const startedAt = performance.now()
    try {
      await request()
      this.traffic.tally.ok(this.service, this.kind, performance.now() - startedAt)
      return null
    } catch (error) {
      if (!(error instanceof Failed)) throw error
      if (!error.wasAnswered) this.drop()
      this.failed(id, error, startedAt)
      return error
    }
  }

  /** Counts a request that failed. `because`: the one whose trouble it shares. */
  failed(id: string, { why, message }: Failed, startedAt: number, because = id): void {
    const { service, kind } = this
    const endedAt = performance.now()
    this.traffic.tally.fail({ service, kind, id, cause: why, detail: message, because, startedAt, endedAt })
  }

  /** Reads the head of the answer to a request. Where it is another than 200, or another request's, it has failed. */
  async answer(connection: Connection, id: string): Promise<Head> {
    const head = await connection.head()
    if (head.status !== 200) {
      let text = ''
      await connection.body(head, (chunk) => {
        text += chunk.toString('latin1', 0, 200)
      })
      if (head.closes) this.drop()
      const status = head.fields.get('proxy-status') ?? `server ${head.fields.get('x-soak-server')}`
      throw new Failed(`status ${head.status}`, `${status} ${text.trimEnd()}`)
    }
    const whose = head.fields.get(ID_FIELD)
    if (whose !== id) throw new Failed('wrong answer', `for ${whose}`)
    return head
  }
}
