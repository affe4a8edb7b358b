import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { expect, test } from 'vitest'
import { freePort, startRawUpstream, startUpstream } from './upstream.ts'

test('records requests whole, and answers with its name', async () => {
  const upstream = await startUpstream(undefined, { name: 'blue1' })
  const response = await fetch(`${upstream.url}/a?b`, { method: 'POST', body: 'hello', headers: { 'X-Mine': '1' } })
  expect([response.status, response.headers.get('x-upstream'), await response.text()]).toEqual([200, 'blue1', 'blue1'])
  expect(upstream.requests).toMatchObject([{ method: 'POST', url: '/a?b', headers: { 'x-mine': '1' }, body: 'hello' }])
  expect(upstream.accepted).toBe(1)
  await upstream.close()
  expect(upstream.sockets.size).toBe(0)
})

test('answers health checks as told, off the record', async () => {
  const upstream = await startUpstream()
  expect((await fetch(`${upstream.url}/healthz`)).status).toBe(200)
  upstream.health = 503
  expect((await fetch(`${upstream.url}/healthz`)).status).toBe(503)
  expect(upstream.probes).toBe(2)
  expect(upstream.requests).toEqual([])
  await upstream.close()
})

test('closeListener refuses what is new and lets what is under way end', async () => {
  const held: http.ServerResponse[] = []
  const upstream = await startUpstream((_request, response) => held.push(response))
  const agent = new http.Agent({ keepAlive: true })
  const request = http.get(upstream.url, { agent })
  await upstream.arrived(1)
  const closed = upstream.closeListener()
  await expect(fetch(upstream.url)).rejects.toThrow()
  held[0]?.end('done')
  const [response] = await once(request, 'response')
  response.resume()
  await closed
  expect(upstream.sockets.size).toBe(0)
})

test('close breaks off what is under way, upgraded connections too', async () => {
  const upstream = await startUpstream()
  upstream.server.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
  const client = net.connect(upstream.port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
  await once(client, 'data')
  await Promise.all([upstream.close(), once(client, 'close')])
})

test('the raw one hands over connections, and a free port refuses them', async () => {
  const raw = await startRawUpstream((socket) => socket.end('hello'))
  const client = net.connect(raw.port, '127.0.0.1')
  expect(String((await once(client, 'data'))[0])).toBe('hello')
  await raw.close()
  const refused = net.connect(await freePort(), '127.0.0.1')
  await expect(once(refused, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})
