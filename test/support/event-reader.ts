import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'

/** Longest time that a test waits for the next event, ms: below its own limit. */
const MAX_SILENCE_MS = 90_000

/** A message of a stream of Server-Sent Events. */
export interface SeenEvent {
  /** Empty = the message has none. */
  readonly id: string
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks for what it expects, and fails when it is not there.
  readonly data: any
}

/** Reads GET /api/events as a browser's EventSource does, and keeps all events. */
export class EventReader {
  readonly events: SeenEvent[] = []
  /** The id that it would come back with. */
  lastId: string
  readonly response: IncomingMessage
  /** Resolves when the stream has ended, in whatever way. */
  readonly closed: Promise<unknown>
  readonly #request: ClientRequest
  #text = ''
  readonly #waiting = new Set<() => void>()

  private constructor(sent: ClientRequest, response: IncomingMessage, lastId: string) {
    this.#request = sent
    this.response = response
    this.lastId = lastId
    this.closed = new Promise((resolve) => response.once('close', resolve))
    response.on('error', () => undefined)
    response.setEncoding('utf8')
    response.on('data', (text: string) => this.#take(text))
    response.once('close', () => this.#tell())
  }

  /** `admin`: the url of an admin API. `lastId`: where to go on; empty = from now on. */
  static async open(admin: string, lastId = '', query = ''): Promise<EventReader> {
    const headers = lastId === '' ? {} : { 'last-event-id': lastId }
    const sent = request(`${admin}/api/events${query}`, { headers, agent: false })
    sent.end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    sent.on('error', () => undefined)
    if (response.statusCode !== 200) throw new Error(`the answer is ${response.statusCode}`)
    return new EventReader(sent, response, lastId)
  }

  /** Resolves with the first event that fits, be it there already. */
  async event(fits: (event: SeenEvent) => boolean): Promise<SeenEvent> {
    for (;;) {
      const found = this.events.find(fits)
      if (found !== undefined) return found
      await this.#more()
    }
  }

  /** Resolves when there is an id to come back with. */
  async position(): Promise<string> {
    while (this.lastId === '') await this.#more()
    return this.lastId
  }

  /** Resolves when the last id is this one. */
  async reached(id: string): Promise<void> {
    while (this.lastId !== id) await this.#more()
  }

  close(): void {
    this.#request.destroy()
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.response.destroyed) reject(new Error(`the stream has ended after ${this.events.length} events`))
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(() => {
        const seen = this.events.map(
          ({ type, data }) => `${type} ${data?.server ?? data?.instance ?? data?.revision ?? ''}`,
        )
        reject(new Error(`no event for ${MAX_SILENCE_MS} ms after: ${seen.slice(-20).join(', ')}`))
      }, MAX_SILENCE_MS)
      this.#waiting.add(done)
    })
  }

  #take(text: string): void {
    const blocks = `${this.#text}${text}`.split('\n\n')
    this.#text = blocks.pop() ?? ''
    for (const block of blocks) this.#takeBlock(block)
    this.#tell()
  }

  #tell(): void {
    for (const done of [...this.#waiting]) done()
  }

  #takeBlock(block: string): void {
    const fields = new Map(
      block
        .split('\n')
        .map((line): [string, string] => [line.split(': ')[0] ?? '', line.slice(line.indexOf(': ') + 2)]),
    )
    const id = fields.get('id')
    if (id !== undefined) this.lastId = id
    const data = fields.get('data')
    if (data !== undefined)
      this.events.push({ id: id ?? '', type: fields.get('event') ?? 'message', data: JSON.parse(data) })
  }
}
