import type { Crowd } from '../crowd.ts'
import { type Attack, head } from './attack.ts'

const LONG = 1_000_000

/** Requests sent very slowly, and answers that are not read. */
export const SLOW: readonly Attack[] = [
  {
    name: 'heads byte by byte',
    run: (crowd, { proxyPort }) => trickle(crowd, 300, proxyPort, 'GET / HTTP/1.1\r\nHost: shop.test\r\nX-Slow: ', 200),
  },
  {
    name: 'bodies byte by byte',
    run: (crowd, { proxyPort }) => trickle(crowd, 200, proxyPort, head('POST', '/', `Content-Length: ${LONG}`), 250),
  },
  {
    name: 'admin bodies byte by byte',
    run: (crowd, { adminPort, token }) => {
      const path = '/api/services/shop/switch'
      const fields = ['Content-Type: application/json', `Content-Length: ${LONG}`, `Authorization: Bearer ${token}`]
      const start = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields.join('\r\n')}\r\n\r\n `
      return trickle(crowd, 100, adminPort, start, 250)
    },
  },
  {
    name: 'large answers that nobody reads',
    run: (crowd, { proxyPort }) =>
      crowd.lanes(40, async () => {
        const socket = await crowd.open(proxyPort)
        if (socket === null) return
        socket.pause()
        socket.write(head('GET', '/large'))
        while (!socket.destroyed && !crowd.isEnding) await crowd.pause(100)
      }),
  },
]

function trickle(crowd: Crowd, count: number, port: number, start: string, everyMs: number): Promise<void> {
  return crowd.lanes(count, async () => {
    const socket = await crowd.open(port)
    if (socket === null) return
    socket.resume()
    socket.write(start)
    // Not all at the same moment.
    await crowd.pause(Math.random() * everyMs)
    while (await crowd.write(socket, ' ')) await crowd.pause(everyMs)
  })
}
