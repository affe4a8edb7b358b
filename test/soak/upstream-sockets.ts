import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Keeps account of a server's connections, so that those that are idle are known. */
export class Sockets {
  /** Requests under way by connection. */
  private readonly underWay = new Map<Socket, number>()

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.underWay.set(socket, 0)
      socket.once('close', () => this.underWay.delete(socket))
    })
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.add(socket, 1)
      response.once('close', () => this.add(socket, -1))
    })
    // It never becomes idle again.
    server.on('upgrade', ({ socket }: IncomingMessage) => this.add(socket, 1))
  }

  /** Resets every connection that has no request under way, without a word. */
  resetIdle(): void {
    for (const [socket, count] of this.underWay) if (count === 0) socket.resetAndDestroy()
  }

  private add(socket: Socket, count: number): void {
    const before = this.underWay.get(socket)
    if (before !== undefined) this.underWay.set(socket, before + count)
  }
}
