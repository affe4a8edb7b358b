import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { type ConnectionOptions, connect, createServer } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { OutboundCall } from '../../src/http1/outbound-call.ts'
import type { SocketInput } from '../../src/http1/socket-input.ts'
import { LOCALHOST } from '../support/certificates.ts'
import { matches, piece } from '../support/pattern.ts'
import { endAll, endWithAll, handlerOf, poolOf } from './sockets.ts'

/** Several TLS records, which come in one read of the connection. */
const LENGTH = 50_000

afterEach(endAll)

// A TLS connection delivers all records of a read, even if it is paused after the first of them.
test.each([
  ['ends with the connection', 'connection: close'],
  ['has a length', `content-length: ${LENGTH}`],
  ['has a length, on a connection that ends', `connection: close\r\ncontent-length: ${LENGTH}`],
])(
  'a response that %s is whole for a receiver that paused, even if the connection has closed',
  async (_what, field) => {
    const server = createServer(LOCALHOST, (socket) => {
      socket
        .on('error', () => undefined)
        .once('data', () => {
          const head = Buffer.from(`HTTP/1.1 200 OK\r\n${field}\r\n\r\n`)
          const response = Buffer.concat([head, piece(1, 0, LENGTH)])
          if (field.includes('close')) socket.end(response)
          else socket.write(response)
        })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    let socket: Socket | null = null
    const open = ({ onread }: Pick<SocketInput, 'onread'>): Socket => {
      const options = { port, host: '127.0.0.1', rejectUnauthorized: false, onread }
      socket = connect(options as ConnectionOptions)
      return socket
    }
    const pool = poolOf({ connect: open, readyEvent: 'secureConnect' })
    endWithAll(() => {
      socket?.destroy()
      server.close()
    })

    const received: Buffer[] = []
    const paused = Promise.withResolvers<void>()
    const over = Promise.withResolvers<string>()
    const handler = handlerOf({
      onResponseBody: (bytes) => {
        received.push(Buffer.from(bytes))
        if (received.length > 1) return
        call.pause()
        paused.resolve()
      },
      onResponseEnd: () => over.resolve('whole'),
      onUpgrade: () => over.resolve('upgraded'),
      onFailed: ({ kind }) => over.resolve(kind),
    })
    const call = new OutboundCall(
      { method: 'GET', path: '/', lines: '', body: 'none', upgrade: '', takesTrailers: false },
      handler,
    )
    pool.start(call, false)
    await paused.promise
    if (field.includes('close')) await once(socket as unknown as Socket, 'close')
    call.resume()
    expect(await over.promise).toBe('whole')
    const body = Buffer.concat(received)
    expect([body.length, matches(body, 1, 0)]).toEqual([LENGTH, true])
  },
)
