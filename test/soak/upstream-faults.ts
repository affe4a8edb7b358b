import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { answerOf, idOf, writeHead, writePiece } from './upstream-answers.ts'
import type { Disturbance, Mode } from './upstream-messages.ts'
import { ID_FIELD } from './upstream-messages.ts'
import type { Sockets } from './upstream-sockets.ts'

/** One request in so many is disturbed while a server is not fine. */
const ONE_IN = 3
/** Requests at most that are left hanging in one episode: each of them holds up its client until the proxy gives up. */
const MOST_STALLS = 8
const IDLE_RESETS_MS = 50

const NONSENSE = [
  'this is not HTTP\r\n\r\n',
  'HTTP/1.1 OK 200\r\ncontent-length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nno colon here\r\n\r\n',
  `HTTP/1.1 200 OK\r\nx-long: ${'x'.repeat(100_000)}\r\ncontent-length: 2\r\n\r\nok`,
]
const STRAY = `HTTP/1.1 200 OK\r\n${ID_FIELD}: stray\r\ncontent-length: 5\r\n\r\nstray`

/** What the servers of this process do wrong on purpose. Whatever they do to a request is told before it is done. */
export class Faults {
  private mode: Mode = 'fine'
  private requests = 0
  private stalls = 0
  private timer: NodeJS.Timeout | undefined
  private readonly sockets: readonly Sockets[]
  private readonly report: (id: string, how: Disturbance) => void

  constructor(sockets: readonly Sockets[], report: (id: string, how: Disturbance) => void) {
    this.sockets = sockets
    this.report = report
  }

  become(mode: Mode): void {
    this.mode = mode
    this.stalls = 0
    clearInterval(this.timer)
    if (mode !== 'reset idle') return
    this.timer = setInterval(() => {
      for (const each of this.sockets) each.resetIdle()
    }, IDLE_RESETS_MS)
  }

  /** Answers a request badly, if it is to be. False: it is not. */
  strike(request: IncomingMessage, response: ServerResponse): boolean {
    const isChunked = /framing=chunked|^\/events/.test(request.url ?? '')
    const how = this.next({ stall: 'stall in body', nonsense: isChunked ? 'nonsense in body' : 'surplus' })
    if (how === null) return false
    this.report(idOf(request), how)
    request.on('error', () => undefined)
    void disturb(how, request, response)
    return true
  }

  /** The same for an upgrade; null: it is to be accepted. `break off`: to be accepted, and broken off after a while. */
  strikeUpgrade(request: IncomingMessage, socket: Socket): Disturbance | null {
    const how = this.next({ stall: 'stall', nonsense: 'nonsense' })
    if (how === null) return null
    this.report(idOf(request), how)
    if (how === 'reset') socket.resetAndDestroy()
    else if (how === 'nonsense') socket.end(pick(NONSENSE))
    // Nothing happens until the other side hangs up.
    else if (how === 'stall') socket.on('end', () => socket.destroy()).resume()
    return how
  }

  /** `second`: what is done every other time instead. */
  private next(second: { readonly stall: Disturbance; readonly nonsense: Disturbance }): Disturbance | null {
    if (this.mode === 'fine' || this.mode === 'reset idle' || ++this.requests % ONE_IN !== 0) return null
    const isSecond = this.requests % (2 * ONE_IN) === 0
    switch (this.mode) {
      case 'reset':
      case 'break off':
        return this.mode
      case 'stall':
        if (++this.stalls > MOST_STALLS) return null
        return isSecond ? second.stall : 'stall'
      case 'nonsense':
        return isSecond ? second.nonsense : 'nonsense'
    }
  }
}

async function disturb(how: Disturbance, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { socket } = request
  if (how === 'reset') socket.resetAndDestroy()
  else if (how === 'nonsense') socket.end(pick(NONSENSE))
  else if (how === 'surplus') await surplus(request, socket)
  else if (how !== 'stall') {
    const endShows = await half(request, response)
    if (how === 'nonsense in body') socket.end('zz\r\nthis is no chunk\r\n')
    else if (how === 'break off') {
      if (endShows && Math.random() < 0.5) socket.destroySoon()
      else socket.resetAndDestroy()
    }
  }
}

/** Sends a part of the right answer, never all of it. Returns whether the end of the connection would show as too early. */
async function half(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const right = await answerOf(request)
  if (right === null || response.destroyed) return true
  writeHead(request, response, right)
  response.flushHeaders()
  const share = Math.random() * 0.9
  let left = right.length === null ? Number.POSITIVE_INFINITY : Math.floor(right.length * share)
  for await (const chunk of right.chunks) {
    if (left <= 0 || (right.length === null && Math.random() > share)) break
    if (!(await writePiece(response, chunk.subarray(0, left)))) break
    left -= chunk.length
  }
  // What was written has gone out when this turn is over.
  await turn()
  return right.framing !== 'close'
}

/** The right answer and one that nobody asked for, in one write. */
async function surplus(request: IncomingMessage, socket: Socket): Promise<void> {
  const right = await answerOf(request)
  if (right === null) return
  const chunks: Buffer[] = []
  for await (const chunk of right.chunks) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const head = `HTTP/1.1 200 OK\r\n${ID_FIELD}: ${idOf(request)}\r\ncontent-length: ${body.length}\r\n\r\n`
  socket.end(Buffer.concat([Buffer.from(head), body, Buffer.from(STRAY)]))
}

function pick<T>(values: readonly T[]): T {
  return values[Math.floor(Math.random() * values.length)] as T
}
