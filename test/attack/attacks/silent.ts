import type { Socket } from 'node:net'
import type { Crowd } from '../crowd.ts'
import type { Attack } from './attack.ts'

/** More than a process with 1,024 descriptors can hold. */
const ADMIN_CONNECTIONS = 1_074
const PROXY_CONNECTIONS = 600
const PROXY_HEADER_CONNECTIONS = 300

/** Connections that send nothing, or not the PROXY header that is required. */
export const SILENT: readonly Attack[] = [
  {
    name: 'silent connections to the admin port',
    // Long enough for the proxy to close silent connections, and for the attackers to open them again.
    weight: 6,
    run: (crowd, { adminPort }) => hold(crowd, ADMIN_CONNECTIONS, adminPort),
  },
  {
    name: 'silent connections to the proxy port',
    weight: 2,
    run: (crowd, { proxyPort }) => hold(crowd, PROXY_CONNECTIONS, proxyPort),
  },
  {
    name: 'connections without a PROXY header',
    run: (crowd, { proxyHeaderPort }) =>
      hold(crowd, PROXY_HEADER_CONNECTIONS, proxyHeaderPort, (socket, lane) => {
        // A third says nothing, a third begins a header and does not end it, a third begins with something else.
        if (lane % 3 === 1) socket.write('PROXY TCP4 192.0.2.1 ')
        if (lane % 3 === 2) socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
      }),
  },
]

function hold(
  crowd: Crowd,
  count: number,
  port: number,
  greet: (socket: Socket, lane: number) => void = () => undefined,
): Promise<void> {
  return crowd.lanes(count, async (lane) => {
    const socket = await crowd.open(port)
    if (socket === null) return
    greet(socket, lane)
    await crowd.untilClosed(socket)
  })
}
