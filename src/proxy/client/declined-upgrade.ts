import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

const HEAD_END = '\r\n\r\n'

/** What node:http has on a socket, and does not declare. */
interface Parsed extends Socket {
  readonly parser?: { getCurrentBuffer?(): Buffer | undefined } | null
}

/**
 * Where a request ends whose upgrade is not followed, as a number of bytes read from its connection (`Socket.bytesRead`);
 * -1 = unknown. To be asked while the request's header is being parsed.
 *
 * node:http drops what follows such a request in the same packet. The connection can go on where it ends exactly at its last
 * byte: the client has sent nothing that was lost. The answer is never too high, so that this is known for certain.
 */
export function endOfDeclined(request: IncomingMessage): number {
  const socket = request.socket as Parsed
  const { method = '', url = '', headers } = request
  const packet = socket.parser?.getCurrentBuffer?.()
  if (packet === undefined || headers['transfer-encoding'] !== undefined || socket.readableLength > 0) return -1
  // The whole header is in this packet, from its first byte: the first empty line ends it, or a header before it.
  const begins = `${method} ${url} HTTP/1.`
  if (packet.toString('latin1', 0, begins.length) !== begins) return -1
  const headBytes = packet.indexOf(HEAD_END) + HEAD_END.length
  return socket.bytesRead - packet.length + headBytes + Number(headers['content-length'] ?? 0)
}
