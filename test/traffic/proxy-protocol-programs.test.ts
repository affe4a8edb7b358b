import { expect, test } from 'vitest'
import { atEnd } from '../support/endings.ts'
import { OtherProxy } from '../support/other-proxy.ts'
import { RawConnection } from '../support/raw-client.ts'
import { freePort } from '../support/upstream.ts'
import { define, serverView } from './support.ts'

const CONFIGS = {
  nginx: (port: number) => `server {
    listen 127.0.0.1:${port} proxy_protocol;
    location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port"; }
  }`,
  haproxy: (port: number) => `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend in
  bind 127.0.0.1:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string %[src]:%[src_port]
`,
}

test.each([
  ['nginx', 'v1'],
  ['nginx', 'v2'],
  ['haproxy', 'v1'],
  ['haproxy', 'v2'],
] as const)('a real %s takes %s from us: requests, and health checks', async (program, proxyProtocol) => {
  const port = await freePort()
  const other = await OtherProxy.start(program, CONFIGS[program](port), port)
  atEnd(() => other.stop())
  const servers = { a: { url: `http://127.0.0.1:${port}`, proxyProtocol } }
  const cutover = await define('shop', { pools: { main: { servers } } })
  expect((await serverView(cutover, 'a')).lastProbe).toMatchObject({ ok: true, status: 200 })
  const clients = await Promise.all(Array.from({ length: 3 }, () => RawConnection.connect(cutover.proxy)))
  for (let i = 0; i < 4; i++)
    for (const client of clients) {
      const { text } = await client.ask(['GET / HTTP/1.1', 'host: a'])
      expect(text).toBe(`127.0.0.1:${client.socket.localPort}`)
    }
  for (const client of clients) client.destroy()
})
