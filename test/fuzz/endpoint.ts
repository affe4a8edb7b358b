import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { ADDRESS } from '../support/certificates.ts'
import { Listening } from '../support/upstream.ts'
import { Pipe } from './pipe.ts'

/** Listens on 127.0.0.1 and hands over every connection as it comes; either side may end its direction by itself. */
export async function listenFor(isSecure: boolean, onPipe: (pipe: Pipe) => void): Promise<Listening> {
  const secureContext = tls.createSecureContext(ADDRESS)
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    if (!isSecure) {
      onPipe(new Pipe(socket))
      return
    }
    // The TLS socket that reads through it reports the same error.
    socket.on('error', () => undefined)
    onPipe(new Pipe(new tls.TLSSocket(socket, { isServer: true, secureContext }), socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new Listening(server)
}
