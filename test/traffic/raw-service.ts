import { once } from 'node:events'
import type { Socket } from 'node:net'
import { atEnd } from '../support/endings.ts'
import { RawConnection } from '../support/raw-client.ts'
import { startRawUpstream } from '../support/upstream.ts'
import { define } from './support.ts'

/**
 * A service on one server that is no HTTP server: what connects to it is the test's, byte for byte. `others`: URLs of
 * further servers by name.
 */
export async function rawService(service: object = {}, others: Readonly<Record<string, string>> = {}) {
  const waiting: RawConnection[] = []
  const arrivals = new EventTarget()
  const server = await startRawUpstream((socket: Socket) => {
    socket.allowHalfOpen = true
    waiting.push(new RawConnection(socket))
    arrivals.dispatchEvent(new Event('connection'))
  })
  atEnd(() => server.close())
  const pools = { blue: { servers: { blue1: server.url, ...others } } }
  const cutover = await define('shop', { pools, health: 'off', ...service })
  const accepted = async (): Promise<RawConnection> => {
    while (waiting.length === 0) await once(arrivals, 'connection')
    return waiting.shift() as RawConnection
  }
  return { cutover, accepted, server }
}
