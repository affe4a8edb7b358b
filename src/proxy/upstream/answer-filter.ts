import { subscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { ProxyError } from '../errors.ts'

/** A connection to a server at the beginning of a response. */
const AWAITS_HEAD = Symbol('awaits head')
/** The first part of an interim response that is not complete yet. */
const HELD = Symbol('held')

interface Watched extends Socket {
  [AWAITS_HEAD]?: boolean
  [HELD]?: Buffer | null
}

/** Length of the status line up to the last digit of the version. */
const VERSION = 'HTTP/1.1'
const INTERIM = Buffer.from('HTTP/1.1 1')
const CONTINUE = 100
const SWITCHING_PROTOCOLS = 101
/** Length of `HTTP/1.1 100 `. */
const THROUGH_STATUS = 13
const [SPACE, CR, ZERO, ONE, DOT] = [32, 13, 48, 49, 46]
/** Max size of a head to look at; the parser refuses longer ones. */
const MAX_HELD_BYTES = 64 * 1024

// A request is about to be written, so that the next bytes begin its response.
subscribe('undici:client:sendHeaders', (message) => {
  const { socket } = message as { socket: Watched }
  if (socket[AWAITS_HEAD] !== undefined) socket[AWAITS_HEAD] = true
})

/**
 * Inspects the beginning of every response before undici does. Removes `100 Continue`, which servers may send unasked
 * (RFC 9110 §15.2.1) and which undici treats as an error. Breaks the connection for versions other than HTTP/1.0 and
 * 1.1, which undici would accept.
 */
export function filterAnswers(socket: Socket): void {
  const watched = socket as Watched
  watched[AWAITS_HEAD] = false
  watched[HELD] = null
  watched.read = read
}

function read(this: Watched, size?: number): Buffer | null {
  const chunk: Buffer | null = Socket.prototype.read.call(this, size)
  return this[AWAITS_HEAD] === true && chunk !== null ? head(this, chunk) : chunk
}

/** Returns the bytes for the parser from input at the beginning of a response; null = none yet. */
function head(socket: Watched, chunk: Buffer): Buffer | null {
  const held = socket[HELD] ?? null
  if (held === null && chunk.length >= THROUGH_STATUS && chunk[INTERIM.length - 1] !== ONE) {
    socket[AWAITS_HEAD] = false
    if (hasSupportedVersion(chunk)) return chunk
    socket.destroy(new ProxyError('http_protocol_error', 'maybe'))
    return null
  }
  const bytes = held === null ? chunk : Buffer.concat([held, chunk])
  socket[HELD] = null
  const passed: Buffer[] = []
  let at = 0
  while (at < bytes.length) {
    const status = interimStatus(bytes, at)
    if (status === null || status === SWITCHING_PROTOCOLS) {
      const rest = bytes.subarray(at)
      if (rest.length < VERSION.length && VERSION.startsWith(rest.toString('latin1'))) {
        socket[HELD] = Buffer.from(rest)
        break
      }
      socket[AWAITS_HEAD] = false
      if (hasSupportedVersion(rest)) passed.push(rest)
      else socket.destroy(new ProxyError('http_protocol_error', 'maybe'))
      break
    }
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end === -1) {
      if (bytes.length - at < MAX_HELD_BYTES) socket[HELD] = Buffer.from(bytes.subarray(at))
      else {
        socket[AWAITS_HEAD] = false
        passed.push(bytes.subarray(at))
      }
      break
    }
    if (status !== CONTINUE) passed.push(bytes.subarray(at, end + 4))
    at = end + 4
  }
  return passed.length === 0 ? null : passed.length === 1 ? (passed[0] as Buffer) : Buffer.concat(passed)
}

/** Returns the status of the interim response at `at`; 0 = not known yet; null = not an interim response. */
function interimStatus(bytes: Buffer, at: number): number | null {
  const shared = Math.min(INTERIM.length, bytes.length - at)
  if (bytes.compare(INTERIM, 0, shared, at, at + shared) !== 0) return null
  if (bytes.length - at < THROUGH_STATUS) return 0
  const next = bytes[at + THROUGH_STATUS - 1]
  // A status with more digits is invalid.
  if (next !== SPACE && next !== CR) return null
  return Number(bytes.toString('latin1', at + INTERIM.length - 1, at + THROUGH_STATUS - 1))
}

/** Whether a head is HTTP/1.0 or 1.1. Also true for input that is not HTTP, which the parser refuses. */
function hasSupportedVersion(head: Buffer): boolean {
  if (head.toString('latin1', 0, 5) !== 'HTTP/') return true
  return head[5] === ONE && head[6] === DOT && (head[7] === ONE || head[7] === ZERO)
}
