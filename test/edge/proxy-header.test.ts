import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { binaryHeader, TEXT_HEADER } from '../proxy-protocol/support.ts'
import { RawConnection } from '../support/raw-client.ts'
import { AUTHORITY, Edge, GET } from './support.ts'

let edge: Edge
beforeAll(async () => {
  edge = await Edge.start({ listen: { proxyProtocol: true }, proxy: { trustedProxies: ['127.0.0.1'] } })
})
afterAll(() => edge.stop())

async function plain(): Promise<Socket> {
  const socket = connectPlain({ port: edge.port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

/** The handshake over a connection that has sent its header. */
async function secure(socket: Socket): Promise<RawConnection> {
  const secured = connect({ socket, ca: AUTHORITY.cert, servername: 'localhost' })
  await once(secured, 'secureConnect')
  return new RawConnection(secured)
}

test.each([
  ['version 1', TEXT_HEADER],
  ['version 2', binaryHeader()],
])('a PROXY header comes before the handshake, in one segment with it or alone: %s', async (_, header) => {
  for (const isAlone of [true, false]) {
    const socket = await plain()
    socket.write(header)
    if (isAlone) await new Promise((resolve) => setTimeout(resolve, 50))
    const client = await secure(socket)
    expect((await client.ask(GET)).status).toBe(200)
    expect(edge.server.requests.at(-1)?.headers).toMatchObject({
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-port': '8080',
      'x-forwarded-proto': 'https',
    })
    client.destroy()
  }
})

test('the header is read wherever its segments end', async () => {
  for (let end = 1; end < TEXT_HEADER.length; end += 7) {
    const socket = await plain()
    socket.write(TEXT_HEADER.subarray(0, end))
    await new Promise((resolve) => setTimeout(resolve, 5))
    socket.write(TEXT_HEADER.subarray(end))
    const client = await secure(socket)
    expect((await client.ask(GET)).status, `${end}`).toBe(200)
    client.destroy()
  }
})

test('a connection without a header is ended before its handshake', async () => {
  const socket = await plain()
  socket.on('error', () => undefined)
  socket.write(Buffer.from('1603010200010001fc0303', 'hex'))
  await once(socket.resume(), 'close')
  expect(await edge.handshakes()).not.toHaveProperty('garbage')
})

test('a large body behind it arrives whole', async () => {
  const socket = await plain()
  socket.write(binaryHeader())
  const client = await secure(socket)
  const body = 'x'.repeat(3_000_000)
  const answer = await client.ask(['POST / HTTP/1.1', 'Host: a', `Content-Length: ${body.length}`], body)
  expect(answer.status).toBe(200)
  expect(edge.server.requests.at(-1)?.body).toHaveLength(body.length)
  client.destroy()
})
