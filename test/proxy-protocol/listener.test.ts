import { afterAll, expect, test } from 'vitest'
import { checkConfig } from '../../src/config/check-config.ts'
import { connect, endAll, startCutover, upstream } from '../proxy/support.ts'
import { binaryHeader } from './support.ts'

afterAll(endAll)

const REQUEST = 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n'

/** A Cutover that wants PROXY headers, and believes those of these networks. */
async function behind(trustedProxies: readonly string[]) {
  const server = await upstream()
  const proxy = { listen: { address: '127.0.0.1:0', proxyProtocol: true }, trustedProxies }
  return { server, cutover: await startCutover({ app: { servers: [server] } }, { proxy }) }
}

test.each([
  ['version 1', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.2 1111 8080\r\n')],
  ['version 2', binaryHeader()],
])('the client of a PROXY header is the client, its port the port: %s', async (_what, header) => {
  const { server, cutover } = await behind(['127.0.0.1/32'])
  const client = await connect(cutover)
  client.send(Buffer.concat([header, Buffer.from(REQUEST)]))
  expect((await client.response()).status).toBe(200)
  expect(server.requests[0]?.headers).toMatchObject({ 'x-forwarded-for': '192.0.2.1', 'x-forwarded-port': '8080' })
  await cutover.printed(/"client":"192\.0\.2\.1"/)
  client.destroy()
})

test('without a header, and from whoever is not trusted, there is no answer', async () => {
  const trusting = await behind(['127.0.0.1/32'])
  const without = await connect(trusting.cutover)
  without.send(REQUEST)
  expect(await without.rest()).toBe('')
  const wary = await behind(['10.0.0.0/8'])
  const stranger = await connect(wary.cutover)
  stranger.send(Buffer.concat([binaryHeader(), Buffer.from(REQUEST)]))
  expect(await stranger.rest().catch(() => '')).toBe('')
  expect([...trusting.server.requests, ...wary.server.requests]).toEqual([])
})

test('somebody has to be trusted', () => {
  const checked = checkConfig({ proxy: { listen: { address: ':8080', proxyProtocol: true } } })
  expect(checked).toMatchObject({ ok: false, problems: [{ path: 'proxy.trustedProxies' }] })
})
