import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { LoadCounts, type LoadFigures } from './load-counts.ts'

export interface LoadOptions {
  /** `http://HOST:PORT` or `https://HOST:PORT` to send to. */
  readonly url: string
  readonly clients: number
  /** Every body that is a right answer: the names of the servers. */
  readonly names: readonly string[]
  /** Send so many in all and end; otherwise go on until stopped. */
  readonly requests?: number
  /** The Host header, if not the address. */
  readonly hostHeader?: string
  /** For https: the authority that signs the certificate of localhost, in PEM. */
  readonly ca?: string
  /** Every client sends GET. */
  readonly onlyGet?: boolean
  /**
   * Time for which a client rests after an answer, ms. By default none if there are so many `requests`, otherwise long enough that
   * all clients together leave the machine to other tests: what holds at full speed is shown by `prove`.
   */
  readonly pauseMs?: number
  /** Called with the milliseconds that each right answer took. */
  readonly onAnswer?: (ms: number) => void
}

/** Most requests a second of a load without an end. */
const RATE = 500
/** How long `stop` waits for answers; a request without one by then has failed. */
const ANSWER_MS = 30_000
const HEAD_END = Buffer.from('\r\n\r\n')

/**
 * Keep-alive clients that each send their next request once the last one is answered, and check every answer to its last
 * byte. Every other client sends POST with a body, which no proxy may quietly repeat. A client opens a new
 * connection when an answer says `Connection: close`; one that ends in any other way is a failure, and is counted.
 */
export class Load extends LoadCounts {
  readonly host: string
  readonly port: number
  readonly path: string
  readonly hostHeader: string
  readonly limit: number
  readonly onlyGet: boolean
  readonly pauseMs: number
  /** null = plain. */
  readonly ca: string | null
  /** Set to false to have clients end instead of connecting again, as they do behind a load balancer that knows. */
  reconnects = true
  private readonly clients: Set<Client>
  private stopping = false
  private allDone: () => void = () => undefined
  /** Resolves with how it went once every client has ended. */
  readonly done = new Promise<void>((resolve) => {
    this.allDone = resolve
  }).then(() => this.figures())

  constructor({ url, clients, names, requests = Number.POSITIVE_INFINITY, hostHeader, ...options }: LoadOptions) {
    super(names, options.onAnswer)
    const { protocol, hostname, host, port, pathname } = new URL(url)
    this.host = hostname
    this.port = Number(port)
    this.path = pathname
    this.hostHeader = hostHeader ?? host
    this.limit = requests
    this.onlyGet = options.onlyGet ?? false
    this.pauseMs = options.pauseMs ?? (Number.isFinite(requests) ? 0 : (clients * 1_000) / RATE)
    this.ca = protocol === 'https:' ? (options.ca ?? '') : null
    this.clients = new Set(Array.from({ length: clients }, (_, i) => new Client(this, i)))
  }

  get isStopping(): boolean {
    return this.stopping
  }

  /** Clients that have not ended. */
  get open(): number {
    return this.clients.size
  }

  /** Sends nothing new; resolves when what was under way has been answered and every connection is closed. */
  async stop(): Promise<LoadFigures> {
    this.stopping = true
    const late = setTimeout(() => {
      for (const client of this.clients) client.giveUp()
    }, ANSWER_MS)
    await this.done
    clearTimeout(late)
    return this.figures()
  }

  ended(client: Client): void {
    this.clients.delete(client)
    if (this.clients.size === 0) this.allDone()
  }
}

class Client {
  private readonly load: Load
  private readonly request: Buffer
  private socket: Socket
  /** What has come of an answer so far. */
  private partial: Buffer | null = null
  private sentAt = 0
  private done = false
  private rests = false

  constructor(load: Load, index: number) {
    this.load = load
    this.request = requestOf(load, index)
    this.socket = this.open()
  }

  giveUp(): void {
    this.load.fail('no answer')
    this.end()
  }

  private end(): void {
    this.done = true
    this.rests = false
    this.socket.destroy()
    this.load.ended(this)
  }

  private open(): Socket {
    this.partial = null
    let connected = false
    let code = ''
    const { host, port, ca } = this.load
    const socket =
      ca === null
        ? connect({ host, port, noDelay: true })
        : connectTls({ host, port, ca, servername: 'localhost' }).setNoDelay()
    socket.on(ca === null ? 'connect' : 'secureConnect', () => {
      connected = true
      this.send()
    })
    socket.on('data', (chunk: Buffer) => this.receive(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? error.message
    })
    socket.on('close', () => {
      if (socket === this.socket && !this.done) this.lost(connected, code)
    })
    return socket
  }

  private send(): void {
    if (this.load.sent >= this.load.limit) {
      this.end()
      return
    }
    this.load.sent++
    this.sentAt = performance.now()
    this.socket.write(this.request)
  }

  private receive(chunk: Buffer): void {
    const bytes = this.partial === null ? chunk : Buffer.concat([this.partial, chunk])
    const headEnd = bytes.indexOf(HEAD_END)
    if (headEnd === -1) {
      this.partial = bytes
      return
    }
    const head = bytes.toString('latin1', 0, headEnd).toLowerCase()
    const length = lengthIn(head)
    const end = headEnd + HEAD_END.length + length
    if (!head.startsWith('http/1.1 ') || Number.isNaN(length)) this.drop('malformed')
    else if (bytes.length > end) this.drop('more than its Content-Length')
    else if (bytes.length < end) this.partial = bytes
    else this.answered(head, bytes.toString('latin1', headEnd + HEAD_END.length, end))
  }

  private answered(head: string, body: string): void {
    this.partial = null
    this.load.judge(Number(head.slice(9, 12)), body, performance.now() - this.sentAt)
    const closes = head.includes('\r\nconnection: close')
    if (this.load.isStopping || (closes && !this.load.reconnects)) this.end()
    else if (closes) this.reopen()
    else if (this.load.pauseMs > 0) this.rest()
    else this.send()
  }

  private rest(): void {
    this.rests = true
    setTimeout(() => {
      if (!this.rests) return
      this.rests = false
      if (this.load.isStopping) this.end()
      else this.send()
    }, this.load.pauseMs)
  }

  /** The connection has closed, and no answer had said that it would. */
  private lost(connected: boolean, code: string): void {
    if (this.rests) {
      // A connection on which nothing is under way may be closed.
      this.rests = false
      if (this.load.isStopping) this.end()
      else this.reopen()
    } else if (!connected) {
      this.load.sent++
      this.drop(`not connected (${code})`, true)
    } else if (this.partial !== null) this.drop('truncated', true)
    else this.drop(code === '' ? 'closed without an answer' : `reset (${code})`, true)
  }

  private drop(cause: string, brokeOff = false): void {
    this.load.fail(cause, brokeOff)
    if (this.load.isStopping || !this.load.reconnects || this.load.sent >= this.load.limit) this.end()
    else this.reopen()
  }

  private reopen(): void {
    const before = this.socket
    this.socket = this.open()
    before.destroy()
  }
}

function requestOf({ path, hostHeader, onlyGet }: Load, index: number): Buffer {
  const rest = `${path}?client=${index} HTTP/1.1\r\nHost: ${hostHeader}\r\n`
  const body = `order of client ${index}`
  return Buffer.from(
    onlyGet || index % 2 === 0 ? `GET ${rest}\r\n` : `POST ${rest}Content-Length: ${body.length}\r\n\r\n${body}`,
  )
}

/** The Content-Length in a head in lower case; NaN where there is none. */
function lengthIn(head: string): number {
  const name = '\r\ncontent-length: '
  const at = head.indexOf(name)
  return at === -1 ? Number.NaN : Number.parseInt(head.slice(at + name.length, at + name.length + 10), 10)
}
