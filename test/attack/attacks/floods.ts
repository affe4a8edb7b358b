import { once } from 'node:events'
import type { Crowd } from '../crowd.ts'
import { type Attack, head } from './attack.ts'

const CONNECTIONS = 8
const LANES = 48
const PIPELINED = head('GET', '/').repeat(200)
const TINY_CHUNKS = '1\r\nx\r\n'.repeat(10_000)

/** As many requests as possible, as fast as possible. */
export const FLOODS: readonly Attack[] = [
  {
    name: 'pipelined GETs',
    run: (crowd, { proxyPort }) => pour(crowd, proxyPort, '', PIPELINED, true),
  },
  {
    name: 'pipelined GETs, answers unread',
    run: (crowd, { proxyPort }) => pour(crowd, proxyPort, '', PIPELINED, false),
  },
  {
    name: 'uploads in chunks of a byte',
    run: (crowd, { proxyPort }) =>
      pour(crowd, proxyPort, head('POST', '/', 'Transfer-Encoding: chunked'), TINY_CHUNKS, true),
  },
  {
    name: 'a connection for each request',
    run: (crowd, { proxyPort }) => churn(crowd, proxyPort),
  },
  {
    name: 'requests reset when they are sent',
    run: (crowd, { proxyPort }) =>
      crowd.lanes(LANES, async () => {
        const socket = await crowd.open(proxyPort)
        if (socket === null) return
        socket.write(head('GET', '/?ms=20'))
        await crowd.pause(Math.random() * 10)
        socket.resetAndDestroy()
      }),
  },
  {
    name: 'standard output that nobody reads',
    leavesOutputUnread: true,
    run: (crowd, { proxyPort }) => churn(crowd, proxyPort),
  },
]

/** Connections that send the same over and over. */
function pour(crowd: Crowd, port: number, start: string, piece: string, reads: boolean): Promise<void> {
  const bytes = Buffer.from(piece)
  return crowd.lanes(CONNECTIONS, async () => {
    const socket = await crowd.open(port)
    if (socket === null) return
    if (reads) socket.resume()
    else socket.pause()
    socket.write(start)
    while (await crowd.write(socket, bytes)) {
      crowd.count('pieces')
      // Others of this crowd have their turn.
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
}

function churn(crowd: Crowd, port: number): Promise<void> {
  return crowd.lanes(LANES, async () => {
    const socket = await crowd.open(port)
    if (socket === null) return
    socket.write(head('GET', '/', 'Connection: close'))
    socket.resume()
    if (!socket.destroyed) await once(socket, 'close')
  })
}
