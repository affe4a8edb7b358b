import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { Deadlines } from '../../src/http1/deadlines.ts'
import { OutboundCall } from '../../src/http1/outbound-call.ts'
import type { SocketInput } from '../../src/http1/socket-input.ts'
import { endAll, endWithAll, handlerOf, poolOf } from './sockets.ts'

afterEach(endAll)

test('an idle connection whose socket is closed, and has not said so yet, is not used', async () => {
  const accepted: Socket[] = []
  const server = createServer((socket) => {
    accepted.push(socket)
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')).on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const opened: Socket[] = []
  const open = ({ onread }: Pick<SocketInput, 'onread'>) => {
    const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', onread })
    opened.push(socket)
    return socket
  }
  const pool = poolOf({ connect: open, readyEvent: 'connect' })
  endWithAll(() => {
    server.close()
    for (const socket of [...accepted, ...opened]) socket.destroy()
  })
  const ask = (): Promise<string> =>
    new Promise((resolve) => {
      const handler = handlerOf({
        onResponseEnd: () => resolve('answered'),
        onFailed: ({ kind }) => resolve(kind),
      })
      pool.start(
        new OutboundCall(
          { method: 'POST', path: '/', lines: '', body: 'none', upgrade: '', takesTrailers: false },
          handler,
        ),
        true,
      )
    })
  expect(await ask()).toBe('answered')
  expect(await ask()).toBe('answered')
  expect(opened).toHaveLength(1)
  // Its `close` event comes in a later turn.
  opened[0]?.destroy()
  expect(await ask()).toBe('answered')
  expect(opened).toHaveLength(2)
})

test('a deadline that was closed cannot be set again', async () => {
  const deadlines = new Deadlines()
  let reached = 0
  const closed = deadlines.create(() => reached++)
  closed.set(20)
  closed.close()
  closed.set(10)
  closed.set(5_000)
  const other = Promise.withResolvers<void>()
  deadlines.create(() => other.resolve()).set(100)
  await other.promise
  expect([reached, (deadlines as unknown as { pending: Set<unknown> }).pending.size]).toEqual([0, 0])
})
