import type { Attempt } from './probe-result.ts'
import type { ProbedServer } from './probed-server.ts'

/**
 * Probes by a connection alone: a server is up if it accepts it (`tcp`), and completes the handshake with a certificate
 * that its `tls` settings accept (`tls`).
 */
export function beginConnectionProbe(server: ProbedServer, kind: 'tcp' | 'tls', attempt: Attempt): () => void {
  const socket = server.open()
  socket.on('error', (error) => attempt.fail(error))
  socket.once('close', () => attempt.end('connection closed'))
  socket.once(kind === 'tcp' ? 'connect' : server.readyEvent, () => attempt.end(null))
  return () => socket.destroy()
}
