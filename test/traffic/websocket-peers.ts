import { once } from 'node:events'
import type { RawData } from 'ws'
import { WebSocket, WebSocketServer } from 'ws'
import type { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import type { Upstream } from '../support/upstream.ts'

/** One end of a WebSocket, and what it has seen. */
export class Peer {
  readonly socket: WebSocket
  readonly messages: string[] = []
  /** The code that it was closed with; 1006 = without a close frame. */
  readonly closed: Promise<number>
  closeCode: number | null = null
  readonly errors: Error[] = []

  constructor(socket: WebSocket) {
    this.socket = socket
    this.closed = new Promise((resolve) => {
      socket.once('close', (code: number) => {
        this.closeCode = code
        resolve(code)
      })
    })
    socket.on('error', (error) => this.errors.push(error))
    socket.on('message', (data: RawData) => this.messages.push(String(data)))
  }

  /** Sends a message, and resolves with the next one that comes. */
  async ask(message: string): Promise<string> {
    const count = this.messages.length
    this.socket.send(message)
    while (this.messages.length === count) {
      if (this.closeCode !== null) throw new Error(`closed with ${this.closeCode}`)
      await Promise.race([once(this.socket, 'message'), this.closed])
    }
    return this.messages[count] as string
  }

  /** Resolves when so many messages have come in all. */
  async received(count: number): Promise<void> {
    while (this.messages.length < count) await once(this.socket, 'message')
  }
}

/** Makes an upstream accept WebSockets and echo each message, prefixed by the server's name. */
export function echoing(server: Upstream): Peer[] {
  return accepting(server, (peer) => {
    peer.socket.on('message', (data: RawData) => peer.socket.send(`${server.name}: ${data}`))
  })
}

/** Has an upstream take WebSockets. Returns its ends of them, in the order they come. */
export function accepting(server: Upstream, onPeer: (peer: Peer) => void = () => undefined): Peer[] {
  const peers: Peer[] = []
  const acceptor = new WebSocketServer({ server: server.server })
  acceptor.on('connection', (socket) => {
    const peer = new Peer(socket)
    peers.push(peer)
    onPeer(peer)
  })
  return peers
}

/** Opens a WebSocket through the proxy. Rejects when the server does not agree. */
export async function dial(cutover: Cutover, path = '/', host?: string): Promise<Peer> {
  const headers = host === undefined ? {} : { host }
  const socket = new WebSocket(`${cutover.proxy.replace('http', 'ws')}${path}`, { headers })
  atEnd(() => socket.terminate())
  const peer = new Peer(socket)
  await once(socket, 'open')
  return peer
}
