import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { probe } from '../../src/health/probe.ts'
import { DEFAULT_TLS } from '../../src/model/server-address.ts'
import { Endpoint } from '../../src/net/endpoint.ts'
import { AUTHORITY, LOCALHOST, UP_TEST } from '../support/certificates.ts'
import { freePort, Listening } from '../support/upstream.ts'
import { endAll, endWith, healthSpec, raw, temporaryFile, upstream } from './support.ts'

afterEach(endAll)

async function secure(pair = LOCALHOST, make: typeof https.createServer = https.createServer): Promise<number> {
  const server = make(pair)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const listening = new Listening(server)
  endWith(() => listening.close())
  return (server.address() as AddressInfo).port
}

describe('a TCP probe', () => {
  test('passes when the connection is accepted, without a byte sent', async () => {
    let bytes = 0
    const closed = Promise.withResolvers<void>()
    const server = await raw((socket) => {
      socket.on('data', (chunk) => {
        bytes += chunk.length
      })
      socket.on('close', () => closed.resolve()).on('error', () => undefined)
    })
    expect(await probe(new Endpoint({ url: server.url }), healthSpec({ probe: 'tcp' }))).toMatchObject({
      ok: true,
      status: null,
      error: null,
    })
    await closed.promise
    expect(bytes).toBe(0)
  })

  test('looks at the port of the check, and fails at one where nobody listens', async () => {
    const server = await upstream()
    const spec = healthSpec({ probe: 'tcp', port: await freePort() })
    expect(await probe(new Endpoint({ url: server.url }), spec)).toMatchObject({
      ok: false,
      error: 'connection refused',
    })
  })
})

describe('a TLS probe', () => {
  test('passes by a handshake with a certificate that is trusted, and shows when that expires', async () => {
    const port = await secure()
    const tls = { ...DEFAULT_TLS, ca: await temporaryFile(AUTHORITY) }
    const result = await probe(new Endpoint({ url: `https://localhost:${port}`, tls }), healthSpec({ probe: 'tls' }))
    expect(result).toMatchObject({ ok: true, error: null, certificateExpiresAt: '2126-11-04T07:16:35.000Z' })
  })

  test('fails with an authority that is not trusted, and with the certificate of another name', async () => {
    const port = await secure(UP_TEST)
    const spec = healthSpec({ probe: 'tls' })
    const tls = { ...DEFAULT_TLS, ca: await temporaryFile(AUTHORITY) }
    expect(await probe(new Endpoint({ url: `https://localhost:${port}` }), spec)).toMatchObject({
      ok: false,
      error: 'the certificate is of an unknown authority',
    })
    expect(await probe(new Endpoint({ url: `https://localhost:${port}`, tls }), spec)).toMatchObject({
      ok: false,
      error: 'the certificate is not for localhost',
    })
    const named = { ...tls, serverName: 'up.test' }
    expect(await probe(new Endpoint({ url: `https://localhost:${port}`, tls: named }), spec)).toMatchObject({
      ok: true,
    })
  })

  test('fails at a server without TLS, and at one that never answers', async () => {
    const plain = await secure(LOCALHOST, http.createServer as unknown as typeof https.createServer)
    const spec = healthSpec({ probe: 'tls', timeoutMs: 300 })
    const { ok, error } = await probe(new Endpoint({ url: `https://localhost:${plain}` }), spec)
    expect([ok, error]).toEqual([false, 'TLS handshake failed'])
    const mute = await raw(() => undefined)
    expect(await probe(new Endpoint({ url: `https://127.0.0.1:${mute.port}` }), spec)).toMatchObject({
      ok: false,
      error: 'timeout',
    })
  })
})
