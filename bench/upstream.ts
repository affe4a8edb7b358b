/**
 * The app behind every contestant: a bare `net` server that answers with fixed bytes, to contribute as little as
 * possible to the figures. It parses partial and pipelined heads, and bodies with Content-Length or chunks. Usage: node
 * upstream.ts PORT
 */
import { createServer } from 'node:net'
import { echoedHeader, large, marker, medium, page } from './upstream-answers.ts'

interface Request {
  readonly head: string
  readonly body: Buffer
  /** Where the next request begins. */
  readonly end: number
}

const headEnd = Buffer.from('\r\n\r\n')
const nothing = Buffer.alloc(0)

function response(status: string, body: Buffer, extra = ''): Buffer {
  const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${marker.name}: ${marker.value}\r\n${extra}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

const pageResponse = response('200 OK', page)
const mediumResponse = response('200 OK', medium)
const largeResponse = response('200 OK', large)
const missingResponse = response('404 Not Found', Buffer.from('nothing here'))

function answer({ head, body }: Request): Buffer {
  if (head.startsWith('GET / ')) return pageResponse
  if (head.startsWith('GET /missing ')) return missingResponse
  if (head.startsWith('GET /medium ')) return mediumResponse
  if (head.startsWith('GET /large ')) return largeResponse
  if (head.startsWith('HEAD ')) return pageResponse.subarray(0, pageResponse.length - page.length)
  if (head.startsWith('POST /echo ')) {
    const echoed = new RegExp(`\r\n${echoedHeader}: *([^\r]*)`, 'i').exec(head)?.[1]
    return response('200 OK', body, echoed === undefined ? '' : `${echoedHeader}: ${echoed}\r\n`)
  }
  return pageResponse
}

/** Parses the request that begins at `start`; undefined = it is not complete yet. */
function parse(bytes: Buffer, start: number): Request | undefined {
  const bodyStart = bytes.indexOf(headEnd, start) + headEnd.length
  if (bodyStart < headEnd.length) return undefined
  const head = bytes.toString('latin1', start, bodyStart)
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return parseChunks(bytes, head, bodyStart)
  const end = bodyStart + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
  return end > bytes.length ? undefined : { head, body: bytes.subarray(bodyStart, end), end }
}

/** Parses a chunked body. Trailers are not supported, since no contestant sends any. */
function parseChunks(bytes: Buffer, head: string, start: number): Request | undefined {
  const chunks: Buffer[] = []
  for (let at = start; ; ) {
    const sizeEnd = bytes.indexOf('\r\n', at)
    if (sizeEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, sizeEnd), 16)
    at = sizeEnd + 2 + size + 2
    if (at > bytes.length) return undefined
    if (size === 0) return { head, body: Buffer.concat(chunks), end: at }
    chunks.push(bytes.subarray(sizeEnd + 2, at - 2))
  }
}

createServer({ noDelay: true }, (socket) => {
  let bytes: Buffer = nothing
  socket.on('error', () => {}) // Contestants and load generators may close connections at any time.
  socket.on('data', (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const answers: Buffer[] = []
    let at = 0
    for (let request = parse(bytes, at); request !== undefined; request = parse(bytes, at)) {
      answers.push(answer(request))
      at = request.end
    }
    bytes = at === bytes.length ? nothing : bytes.subarray(at)
    if (answers.length > 0) socket.write(answers.length === 1 ? (answers[0] as Buffer) : Buffer.concat(answers))
  })
}).listen(Number(process.argv[2]), '127.0.0.1')
