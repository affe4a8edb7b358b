import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { behindProxyProtocol, connectTo, endAll, get, TEXT_HEADER } from './support.ts'

afterEach(endAll)

test('close() takes no new connections and leaves alone those that are there', async () => {
  const behind = await behindProxyProtocol()
  const idle = await connectTo(behind)
  idle.client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  await idle.client.response()
  const waiting = await connectTo(behind)
  waiting.client.send(TEXT_HEADER.subarray(0, 10))

  let hasClosed = false
  const closed = new Promise<void>((resolve) => {
    behind.front.close(() => {
      hasClosed = true
      resolve()
    })
  })
  const refused = connect(behind.port, '127.0.0.1')
  expect(await once(refused, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }])

  idle.client.send(get('/idle'))
  expect((await idle.client.response()).status).toBe(200)
  waiting.client.send(Buffer.concat([TEXT_HEADER.subarray(10), Buffer.from(get('/waiting'))]))
  expect((await waiting.client.response()).status).toBe(200)
  expect(behind.targets).toEqual(['/', '/idle', '/waiting'])

  idle.client.destroy()
  expect(hasClosed).toBe(false)
  const httpClosed = once(behind.http, 'close')
  waiting.client.destroy()
  await closed
  await httpClosed
})

test('time limits hold after close()', async () => {
  const behind = await behindProxyProtocol({
    timeoutMs: 100,
    http: { headersTimeout: 100, connectionsCheckingInterval: 20 },
  })
  const waiting = await connectTo(behind)
  const accepted = await connectTo(behind)
  accepted.client.send(Buffer.concat([TEXT_HEADER, Buffer.from('GET / HTTP/1.1\r\n')]))
  const closed = once(behind.front, 'close')
  behind.front.close()
  expect((await accepted.client.response()).status).toBe(408)
  expect(await waiting.client.rest()).toBe('')
  await closed
})

test('closeWaitingConnections() ends those without a header, and no others', async () => {
  const behind = await behindProxyProtocol()
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  await client.response()
  const silent = await connectTo(behind)
  const begun = await connectTo(behind)
  begun.client.send(TEXT_HEADER.subarray(0, 10))
  expect(behind.front.waitingConnections).toBe(2)

  behind.front.closeWaitingConnections()
  expect([await silent.client.rest(), await begun.client.rest()]).toEqual(['', ''])
  expect(behind.front.waitingConnections).toBe(0)
  client.send(get('/'))
  expect((await client.response()).status).toBe(200)
})

test('it listens again after it has closed', async () => {
  const behind = await behindProxyProtocol()
  const closed = once(behind.front, 'close')
  behind.front.close()
  await closed
  behind.front.listen(behind.port, '127.0.0.1')
  await once(behind.front, 'listening')
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  expect((await client.response()).status).toBe(200)
})
