import { once } from 'node:events'
import { type Attack, head } from './attack.ts'

const LEAVERS = 64
const TUNNELS = 200
const upgrade = (path: string) =>
  head(
    'GET',
    path,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  )

/** Upgrades that are abandoned. */
export const UPGRADES: readonly Attack[] = [
  {
    name: 'upgrades whose client leaves',
    run: (crowd, { proxyPort }) =>
      crowd.lanes(LEAVERS, async () => {
        const socket = await crowd.open(proxyPort, true)
        if (socket === null) return
        socket.resume()
        // The server never answers this one.
        socket.write(upgrade('/never'))
        await crowd.pause(10)
        socket.end()
        await crowd.pause(300)
        socket.destroy()
      }),
  },
  {
    name: 'half-open tunnels',
    run: (crowd, { proxyPort }) =>
      crowd.lanes(TUNNELS, async () => {
        const socket = await crowd.open(proxyPort, true)
        if (socket === null) return
        socket.write(upgrade('/tunnel'))
        await Promise.race([once(socket, 'data'), once(socket, 'close')])
        crowd.count('tunnels')
        // This side has nothing more to say, and stays.
        socket.end()
        await crowd.untilClosed(socket)
      }),
  },
]
