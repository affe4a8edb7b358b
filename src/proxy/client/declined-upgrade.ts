import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

const HEAD_END = '\r\n\r\n'

/** A socket with the parser that node:http attaches to it and does not declare. */
interface Parsed extends Socket {
  readonly parser?: { getCurrentBuffer?(): Buffer | undefined } | null
}

/**
 * Returns where a request with a declined upgrade ends, as a number of bytes read from its connection
 * (`Socket.bytesRead`); -1 = unknown. Call it while the request's head is being parsed.
 *
 * node:http drops bytes that follow such a request in the same packet. The connection can be kept if the bytes read so
 * far end exactly with the request, because then nothing was lost. The result is never too high, so that this is
 * certain.
 */
export function endOfDeclined(request: IncomingMessage): number {
  const socket = request.socket as Parsed
  const { method = '', url = '', headers } = request
  const packet = socket.parser?.getCurrentBuffer?.()
  if (packet === undefined || headers['transfer-encoding'] !== undefined || socket.readableLength > 0) return -1
  // The packet begins with this head, so that the first empty line ends it.
  const begins = `${method} ${url} HTTP/1.`
  if (packet.toString('latin1', 0, begins.length) !== begins) return -1
  const headBytes = packet.indexOf(HEAD_END) + HEAD_END.length
  return socket.bytesRead - packet.length + headBytes + Number(headers['content-length'] ?? 0)
}
