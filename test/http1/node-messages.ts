import { createServer, type IncomingMessage, request } from 'node:http'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import type { Message } from './read-messages.ts'

/** One end of a connection: some bytes come, what goes is dropped. */
class Given extends Duplex {
  /** Resolves when all bytes have been taken. */
  readonly taken: Promise<void>
  private readonly bytes: Buffer
  private given = false
  private onTaken = (): void => {}

  constructor(bytes: Buffer) {
    super()
    this.bytes = bytes
    this.taken = new Promise((resolve) => {
      this.onTaken = resolve
    })
  }

  override _read(): void {
    if (this.given) {
      this.onTaken()
      return
    }
    this.given = true
    this.push(this.bytes)
  }

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.onTaken()
    callback(error)
  }
}

interface Begun {
  readonly request: IncomingMessage
  message: Message | null
  isRead: boolean
}

/** The requests that Node's own parser finds, up to the first that it does not take or that is not whole. */
export async function nodeRequests(bytes: Buffer): Promise<Message[]> {
  const begun: Begun[] = []
  const server = createServer(
    { requireHostHeader: false, maxHeaderSize: 1 << 20, shouldUpgradeCallback: () => false },
    (request, response) => {
      const each: Begun = { request, message: null, isRead: false }
      begun.push(each)
      void whole(request).then((got) => {
        each.isRead = true
        if (got !== null) each.message = { start: `${request.method} ${request.url}`, ...got }
        response.end()
      })
    },
  )
  server.maxHeadersCount = 0
  const socket = new Given(bytes)
  server.on('clientError', () => {})
  server.on('checkContinue', (request, response) => server.emit('request', request, response))
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  server.emit('connection', socket)
  await socket.taken
  while (begun.some(({ request, isRead }) => request.complete && !isRead)) await turn()
  socket.destroy()
  const cut = begun.findIndex(({ message }) => message === null)
  return (cut < 0 ? begun : begun.slice(0, cut)).map(({ message }) => message as Message)
}

/** The response that Node's own parser finds, interim ones aside; null = it takes none, or it is not whole. */
export function nodeResponse(bytes: Buffer, toHead = false): Promise<Message | null> {
  const socket = new Given(bytes)
  return new Promise((resolve) => {
    const asked = request({
      method: toHead ? 'HEAD' : 'GET',
      createConnection: () => socket,
      maxHeaderSize: 1 << 20,
    })
    asked.on('error', () => resolve(null))
    asked.on('upgrade', () => resolve(null))
    asked.on('response', (message) => {
      void whole(message).then((got) => {
        socket.destroy()
        resolve(got === null ? null : { start: `${message.statusCode} ${message.statusMessage}`, ...got })
      })
    })
    asked.end()
    // The end of the connection may be that of the body.
    void socket.taken.then(() => socket.push(null))
  })
}

async function whole(message: IncomingMessage): Promise<Omit<Message, 'start'> | null> {
  const body: Buffer[] = []
  try {
    for await (const chunk of message) body.push(chunk as Buffer)
  } catch {
    return null
  }
  if (!message.complete) return null
  const { httpVersionMinor: minor, rawHeaders: fields, rawTrailers: trailers } = message
  return { minor, fields, body: Buffer.concat(body).toString('latin1'), trailers }
}
