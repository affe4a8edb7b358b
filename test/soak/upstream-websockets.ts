import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { idOf } from './upstream-answers.ts'
import type { Faults } from './upstream-faults.ts'

/** Messages that come back before a connection is broken off on purpose. */
const MESSAGES_BEFORE_BREAK = 3
/** A message that asks the server to close; what follows is the code. */
export const CLOSE = 'close '

/** Has a server take WebSockets; each message comes back with the name of its request before it. */
export function acceptWebSockets(server: Server, faults: Faults): void {
  const acceptor = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, early: Buffer) => {
    socket.on('error', () => socket.destroy())
    const how = faults.strikeUpgrade(request, socket as Socket)
    if (how !== null && how !== 'break off') return
    const most = how === null ? Number.POSITIVE_INFINITY : Math.floor(Math.random() * MESSAGES_BEFORE_BREAK)
    acceptor.handleUpgrade(request, socket, early, (peer) => echo(peer, idOf(request), socket, most))
  })
}

function echo(peer: WebSocket, id: string, socket: Duplex, most: number): void {
  let count = 0
  peer.on('error', () => undefined)
  peer.on('message', (data: RawData) => {
    const text = data.toString()
    if (count++ === most) socket.destroy()
    else if (text.startsWith(CLOSE)) peer.close(Number(text.slice(CLOSE.length)))
    else peer.send(`${id} ${text}`)
  })
}
