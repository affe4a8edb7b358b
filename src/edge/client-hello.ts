/** What a client asks for in the first message of its handshake. */
export interface ClientHello {
  /** Name of the server (RFC 6066 §3), as sent; empty = none. */
  readonly serverName: string
  /** Protocols that the client offers (RFC 7301), the preferred one first. */
  readonly protocols: readonly string[]
}

const RECORD_HANDSHAKE = 22
const MESSAGE_CLIENT_HELLO = 1
/** More records than any client needs for it; each look costs time that grows with them. */
const MAX_RECORDS = 16
const RECORD_HEADER_BYTES = 5
const MESSAGE_HEADER_BYTES = 4
/** Longest message that is looked at. Real ones have up to 2 KB, with keys for post-quantum exchanges. */
const MAX_BYTES = 16 * 1024
const EXTENSION_SERVER_NAME = 0
const EXTENSION_ALPN = 16
/** Legacy version, random. */
const FIXED_BYTES = 34

/**
 * Reads a ClientHello (RFC 8446 §4.1.2) from the first bytes of a connection. `incomplete`: more bytes are needed. null =
 * it is none, or one that cannot be read.
 */
export function readClientHello(bytes: Buffer): ClientHello | 'incomplete' | null {
  const message = messageOf(bytes)
  if (message === null || message === 'incomplete') return message
  try {
    return helloOf(new Reader(message))
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** The body of the message, which may be spread over several records. */
function messageOf(bytes: Buffer): Buffer | 'incomplete' | null {
  const parts: Buffer[] = []
  let length = 0
  let offset = 0
  for (;;) {
    if (bytes.length > offset && bytes[offset] !== RECORD_HANDSHAKE) return null
    if (bytes.length < offset + RECORD_HEADER_BYTES) return bytes.length > MAX_BYTES ? null : 'incomplete'
    if (parts.length === MAX_RECORDS) return null
    const begin = offset + RECORD_HEADER_BYTES
    const end = begin + bytes.readUInt16BE(offset + 3)
    if (end === begin) return null
    const part = bytes.subarray(begin, end)
    parts.push(part)
    length += part.length
    const message = parts.length === 1 ? part : Buffer.concat(parts)
    if (length >= 1 && message[0] !== MESSAGE_CLIENT_HELLO) return null
    if (length >= MESSAGE_HEADER_BYTES) {
      const whole = MESSAGE_HEADER_BYTES + message.readUIntBE(1, 3)
      if (whole > MAX_BYTES) return null
      if (length >= whole) return message.subarray(MESSAGE_HEADER_BYTES, whole)
    }
    if (bytes.length < end) return bytes.length > MAX_BYTES ? null : 'incomplete'
    offset = end
  }
}

function helloOf(reader: Reader): ClientHello {
  reader.skip(FIXED_BYTES)
  reader.vector(1)
  reader.vector(2)
  reader.vector(1)
  let serverName = ''
  const protocols: string[] = []
  const extensions = reader.isAtEnd ? reader : reader.vector(2)
  while (!extensions.isAtEnd) {
    const type = extensions.number(2)
    const content = extensions.vector(2)
    if (type === EXTENSION_SERVER_NAME) {
      const names = content.vector(2)
      while (!names.isAtEnd) {
        const kind = names.number(1)
        const name = names.vector(2).text()
        // 0 is a host name, the only kind there is.
        if (kind === 0 && serverName === '') serverName = name
      }
    } else if (type === EXTENSION_ALPN) {
      const list = content.vector(2)
      while (!list.isAtEnd) protocols.push(list.vector(1).text())
    }
  }
  return { serverName, protocols }
}

/** Reads what TLS messages are made of. Throws RangeError past the end. */
class Reader {
  private readonly bytes: Buffer
  private at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length
  }

  skip(bytes: number): void {
    this.take(bytes)
  }

  number(bytes: number): number {
    return this.take(bytes).readUIntBE(0, bytes)
  }

  /** A sequence of bytes behind its length, which takes `lengthBytes`. */
  vector(lengthBytes: number): Reader {
    return new Reader(this.take(this.number(lengthBytes)))
  }

  text(): string {
    return this.bytes.toString('latin1')
  }

  private take(count: number): Buffer {
    const end = this.at + count
    if (end > this.bytes.length) throw new RangeError('past the end of the message')
    const taken = this.bytes.subarray(this.at, end)
    this.at = end
    return taken
  }
}
