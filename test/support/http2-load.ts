import http2 from 'node:http2'
import { type Answer2, answerOf, Client2 } from './http2.ts'
import { LoadCounts, type LoadFigures } from './load-counts.ts'
import { FRAME } from './raw-http2.ts'

export interface Load2Options {
  /** `http://HOST:PORT/PATH` for HTTP/2 with prior knowledge, or `https://…` to negotiate it. */
  readonly url: string
  /** Requests in flight. */
  readonly clients: number
  /** How many clients share a connection. */
  readonly streams: number
  /** Every body that is a right answer: the names of the servers. */
  readonly names: readonly string[]
  /** Send so many in all and end; otherwise go on until stopped. */
  readonly requests?: number
  /** Of every connection. */
  readonly session?: http2.SecureClientSessionOptions
  /** Called with the milliseconds that each right answer took. */
  readonly onAnswer?: (ms: number) => void
}

/** How long `stop` waits for answers; a request without one by then has failed. */
const ANSWER_MS = 30_000
/** A request that was sent again so often without being processed has failed. */
const MAX_REPEATS = 10
const { NGHTTP2_REFUSED_STREAM } = http2.constants

/**
 * Clients that each send their next request as soon as the last one is answered, as streams of a few connections, and check
 * every answer. Every other client sends POST with a body. A connection that gets a GOAWAY, or breaks, is replaced. What the
 * server says it has not processed is sent again and counted (RFC 9113 §8.7); whatever else is no right answer is a failure.
 */
export class Load2 extends LoadCounts {
  readonly url: string
  readonly path: string
  readonly limit: number
  readonly session: http2.SecureClientSessionOptions
  /** Connections opened so far. */
  connections = 0
  /** Clients that have not ended. */
  open = 0
  private stopping = false
  private readonly shared: readonly SharedConnection[]
  /** Resolves with how it went once every client has ended. */
  readonly done: Promise<LoadFigures>

  constructor({ url, clients, streams, names, requests = Number.POSITIVE_INFINITY, ...options }: Load2Options) {
    super(names, options.onAnswer)
    this.url = url
    this.path = new URL(url).pathname
    this.limit = requests
    this.session = options.session ?? {}
    this.shared = Array.from({ length: Math.ceil(clients / streams) }, () => new SharedConnection(this))
    this.done = this.run(clients, streams)
  }

  /** Whether clients send no further requests. */
  get isEnding(): boolean {
    return this.stopping || this.sent >= this.limit
  }

  /** Sends nothing new; resolves when what was under way has been answered and every connection is closed. */
  async stop(): Promise<LoadFigures> {
    this.stopping = true
    const late = setTimeout(() => {
      for (const connection of this.shared) connection.giveUp()
    }, ANSWER_MS)
    await this.done
    clearTimeout(late)
    return this.figures()
  }

  private async run(clients: number, streams: number): Promise<LoadFigures> {
    this.open = clients
    const running = this.shared.map(async (connection, i) => {
      const ofConnection = Array.from({ length: Math.min(streams, clients - i * streams) }, async (_, j) => {
        await connection.sendOverAndOver(i * streams + j)
        this.open--
      })
      await Promise.all(ofConnection)
      connection.close()
    })
    await Promise.all(running)
    return this.figures()
  }
}

/** The connection of some clients, and the one that replaces it. */
class SharedConnection {
  private readonly load: Load2
  private client: Client2 | null = null
  /** This one, and those that got a GOAWAY and still have requests under way. */
  private readonly all = new Set<Client2>()
  private connecting: Promise<Client2> | null = null
  private hasGivenUp = false
  private readonly givenUp = Promise.withResolvers<never>()

  constructor(load: Load2) {
    this.load = load
    this.givenUp.promise.catch(() => undefined)
  }

  /** Sends the requests of one client until the load ends. */
  async sendOverAndOver(index: number): Promise<void> {
    const { load } = this
    const headers = { ':path': `${load.path}?client=${index}`, ':method': index % 2 === 0 ? 'GET' : 'POST' }
    const body = index % 2 === 0 ? '' : `order of client ${index}`
    while (!load.isEnding) {
      load.sent++
      await this.send(headers, body)
    }
  }

  /** Breaks every request that is under way. */
  giveUp(): void {
    this.hasGivenUp = true
    this.givenUp.reject(new Error('no answer'))
    this.close()
  }

  close(): void {
    for (const client of this.all) client.close()
  }

  /** Sends a request until the server has processed it, and counts what came of it. */
  private async send(headers: http2.OutgoingHttpHeaders, body: string): Promise<void> {
    const { load } = this
    const sentAt = performance.now()
    for (let repeats = 0; repeats <= MAX_REPEATS; repeats++) {
      if (repeats > 0) load.repeated++
      const client = await this.connected().catch((error: NodeJS.ErrnoException) => error)
      if (client instanceof Error) {
        load.fail(`not connected (${client.code ?? client.message})`, true)
        return
      }
      const { answer, isUnprocessed } = await ask(client, headers, body)
      if (isUnprocessed && !this.hasGivenUp) continue
      if (this.hasGivenUp) load.fail('no answer')
      else if (!isBroken(answer)) load.judge(answer.status, String(answer.body), performance.now() - sentAt)
      else if (client.session.destroyed) load.fail('connection lost', true)
      else load.fail(`reset (code ${answer.reset})`)
      return
    }
    load.fail(`not processed ${MAX_REPEATS + 1} times`)
  }

  /** Resolves with a connection on which requests can be sent. */
  private async connected(): Promise<Client2> {
    while (this.client === null || !this.client.isOpen) {
      this.connecting ??= this.connect()
      this.client = await this.connecting
    }
    return this.client
  }

  private async connect(): Promise<Client2> {
    try {
      this.load.connections++
      const client = await Promise.race([Client2.connect(this.load.url, this.load.session), this.givenUp.promise])
      this.all.add(client)
      client.session.once('close', () => this.all.delete(client))
      return client
    } finally {
      this.connecting = null
    }
  }
}

/** Whether a stream has ended without a whole answer. */
function isBroken({ status, reset }: Answer2): boolean {
  return status === 0 || reset !== 0
}

interface Asked {
  readonly answer: Answer2
  /** Whether the request may be sent again: it was refused, lies above the last stream of a GOAWAY, or was never sent. */
  readonly isUnprocessed: boolean
}

async function ask(client: Client2, headers: http2.OutgoingHttpHeaders, body: string): Promise<Asked> {
  const stream = client.open(headers, { endStream: body === '' })
  let isSent = true
  // node:http2 could not send the head any more, since a GOAWAY came first.
  stream.on('frameError', (type: number) => {
    if (type === FRAME.headers) isSent = false
  })
  const answered = answerOf(stream)
  if (body !== '') stream.end(body)
  const answer = await answered
  const isAboveLast = stream.id === undefined || stream.id > client.lastStreamId
  const isUnprocessed = answer.status === 0 && (!isSent || isAboveLast || answer.reset === NGHTTP2_REFUSED_STREAM)
  return { answer, isUnprocessed }
}
