import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { pieces } from '../support/pattern.ts'
import { ID_FIELD } from './upstream-messages.ts'

/** A right answer, before anything of it is sent. */
export interface Answer {
  /** null = not known beforehand. */
  readonly length: number | null
  /** How the client is to find its end. */
  readonly framing: 'length' | 'chunked' | 'close'
  readonly chunks: Iterable<Buffer> | AsyncIterable<Buffer>
}

/** The right answer to a request; null when its client broke off meanwhile. */
export async function answerOf(request: IncomingMessage): Promise<Answer | null> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://upstream')
  const number = (name: string) => Number(searchParams.get(name) ?? 0)
  const late = number('late')
  if (late > 0) await delay(late)
  switch (pathname) {
    case '/bytes': {
      const length = number('length')
      const framing = (searchParams.get('framing') ?? 'length') as Answer['framing']
      return { length: framing === 'length' ? length : null, framing, chunks: pieces(number('seed'), length) }
    }
    case '/echo': {
      const body = await whole(request)
      return body === null ? null : of(body)
    }
    case '/hash':
      return hash(request)
    case '/events':
      return { length: null, framing: 'chunked', chunks: events(idOf(request), number('count'), number('every')) }
    default:
      return of(Buffer.from(`nothing at ${pathname}`))
  }
}

export function idOf(request: IncomingMessage): string {
  return String(request.headers[ID_FIELD] ?? '')
}

/** Writes the head of an answer. */
export function writeHead(request: IncomingMessage, response: ServerResponse, { length, framing }: Answer): void {
  response.setHeader(ID_FIELD, idOf(request))
  if (length !== null) response.setHeader('content-length', length)
  if (framing === 'close') {
    response.shouldKeepAlive = false
    response.removeHeader('transfer-encoding')
  }
  response.writeHead(200)
}

/** Writes a piece of a body, and waits where the other side takes no more. False: it has gone. */
export async function writePiece(response: ServerResponse, chunk: Buffer): Promise<boolean> {
  if (!response.destroyed && !response.write(chunk)) await drained(response)
  return !response.destroyed
}

/** Resolves when a response takes more, or never will. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      response.off('drain', end).off('close', end)
      resolve()
    }
    response.on('drain', end).on('close', end)
  })
}

/** Answers as asked. */
export async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const right = await answerOf(request)
  if (right === null || response.destroyed) return
  writeHead(request, response, right)
  for await (const chunk of right.chunks) {
    if (chunk.length === right.length) {
      response.end(chunk)
      return
    }
    if (!(await writePiece(response, chunk))) return
  }
  response.end()
}

function of(body: Buffer): Answer {
  return { length: body.length, framing: 'length', chunks: [body] }
}

async function whole(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(chunk)
  } catch {
    return null
  }
  return Buffer.concat(chunks)
}

async function hash(request: IncomingMessage): Promise<Answer | null> {
  const sum = createHash('sha256')
  let length = 0
  try {
    for await (const chunk of request) {
      sum.update(chunk)
      length += chunk.length
    }
  } catch {
    return null
  }
  return of(Buffer.from(`${length} ${sum.digest('hex')}`))
}

/** Events that say whose they are, which one, and when they were sent. */
async function* events(id: string, count: number, everyMs: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) {
    if (i > 0) await delay(everyMs)
    yield Buffer.from(`data: ${id} ${i} ${Date.now()}\n\n`)
  }
}
