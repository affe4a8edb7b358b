import { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { Authority } from '../support/issue-certificate.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { Edge, type EdgeOptions, GET, refusalOf } from './support.ts'

const CLIENTS = new Authority('clients')
const CLIENT = CLIENTS.issue({ commonName: 'a "quoted" größe, client', names: [] })
const STRANGER = new Authority('strangers').issue({ commonName: 'stranger', names: [] })
const EXPIRED = CLIENTS.issue({ notAfter: new Date(Date.now() - 1_000), names: [] })

let edge: Edge | null = null
afterEach(async () => {
  await edge?.stop()
  edge = null
})

/** A listener that asks clients for certificates. */
async function asking(required: boolean, options: EdgeOptions = {}): Promise<Edge> {
  edge = await Edge.start(options)
  await edge.folder.replace('clients.pem', CLIENTS.cert)
  const clientAuth = { ca: `${edge.folder.path}/clients.pem`, require: required }
  const { status, body } = await edge.reload(([first]) => [withClientAuth(first as object, clientAuth)])
  expect([status, body]).toMatchObject([200, { needRestart: [] }])
  return edge
}

function withClientAuth(listen: object, clientAuth: object): object {
  const { tls, ...rest } = listen as { readonly tls: object }
  return { ...rest, tls: { ...tls, clientAuth } }
}

/** The X-Forwarded-Client-Cert of the last request. */
function forwarded(from: Edge): string | undefined {
  return from.server.requests.at(-1)?.headers['x-forwarded-client-cert'] as string | undefined
}

test('a client without a certificate, or with a wrong one, is refused where it is required', async () => {
  const { port } = await asking(true)
  expect(await refusalOf(port)).toMatch(/CERTIFICATE_REQUIRED/)
  expect(await refusalOf(port, { maxVersion: 'TLSv1.2' })).toMatch(/ERR_SSL|ECONNRESET/)
  for (const wrong of [STRANGER, EXPIRED]) expect(await refusalOf(port, wrong)).toMatch(/ECONNRESET|EPIPE|closed/)
  expect(await refusalOf(port, CLIENT)).toBe('served')
  await until(async () => (await edge?.handshakes())?.clientCertificate === 4)
})

test('where it is optional, no certificate is fine, and a wrong one is refused', async () => {
  const { port } = await asking(false)
  expect(await refusalOf(port)).toBe('served')
  expect(await refusalOf(port, CLIENT)).toBe('served')
  for (const wrong of [STRANGER, EXPIRED]) expect(await refusalOf(port, wrong)).toMatch(/ECONNRESET|EPIPE|closed/)
})

test('servers get the hash and the subject of a verified certificate, and nothing that a client says itself', async () => {
  const asked = await asking(false)
  const client = await asked.raw(CLIENT)
  await client.ask([...GET, 'X-Forwarded-Client-Cert: Hash=forged'])
  const hash = new X509Certificate(CLIENT.cert).fingerprint256.replaceAll(':', '').toLowerCase()
  expect(forwarded(asked)).toMatch(new RegExp(`^Hash=${hash};Subject="CN=`))
  expect(forwarded(asked)).toMatch(/^[\x20-\x7e]+$/)
  expect(forwarded(asked)).toContain('gr%C3%B6%C3%9Fe')
  client.destroy()
  const without = await asked.raw()
  await without.ask([...GET, 'X-Forwarded-Client-Cert: Hash=forged'])
  expect(forwarded(asked)).toBeUndefined()
  without.destroy()
})

test('what a trusted proxy says of its client is kept', async () => {
  const asked = await asking(false, { proxy: { trustedProxies: ['127.0.0.1'] } })
  const without = await asked.raw()
  await without.ask([...GET, 'X-Forwarded-Client-Cert: Hash=1'])
  expect(forwarded(asked)).toBe('Hash=1')
  without.destroy()
  const client = await asked.raw(CLIENT)
  await client.ask([...GET, 'X-Forwarded-Client-Cert: Hash=1'])
  expect(forwarded(asked)).toMatch(/^Hash=1,Hash=[0-9a-f]{64};Subject=/)
  client.destroy()
})

test('a Host other than the name of the handshake is misdirected there', async () => {
  const asked = await asking(true)
  const client = await asked.raw(CLIENT)
  expect((await client.ask(['GET / HTTP/1.1', 'Host: LOCALHOST:1'])).status).toBe(200)
  const answer = await client.ask(['GET / HTTP/1.1', 'Host: other.test'])
  expect([answer.status, answer.field('connection')]).toEqual([421, 'close'])
  client.destroy()
})

test('a session that was verified by one authority is not resumed with another', async () => {
  const asked = await asking(true)
  const first = await asked.secure(CLIENT)
  const session = await ticketOf(first)
  const again = await asked.secure({ ...CLIENT, session })
  expect([again.isSessionReused(), (await new RawConnection(again).ask(GET)).status]).toEqual([true, 200])
  expect(forwarded(asked)).toMatch(/^Hash=[0-9a-f]{64}/)
  again.destroy()
  await asked.folder.replace('clients.pem', new Authority('others').cert)
  const { status } = await asked.reload(([listen]) => [
    withClientAuth(listen as object, { ca: `${asked.folder.path}/clients.pem`, require: true }),
  ])
  expect(status).toBe(200)
  expect(await refusalOf(asked.port, { ...CLIENT, session })).not.toBe('served')
})

/** The last ticket that comes with the answer to a request; the connection is closed then. */
async function ticketOf(socket: TLSSocket): Promise<Buffer> {
  let session: Buffer | null = null
  socket.on('session', (each) => {
    session = each
  })
  const client = new RawConnection(socket)
  expect((await client.ask(GET)).status).toBe(200)
  client.destroy()
  return session ?? Buffer.alloc(0)
}
