import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { AcmeStage } from './acme-stage.ts'
import { AUTHORITY, GET, secureTo } from './support.ts'

let stage: AcmeStage | null = null
afterEach(async () => {
  await stage?.stop()
  stage = null
})

test.each(['http-01', 'tls-alpn-01'])(
  'certificates are ordered by %s, one for each name, and served by all workers',
  async (challenge) => {
    stage = await AcmeStage.start({ badNonceEvery: 4 })
    const { acme } = stage
    const domains = ['www.example.test', 'api.example.test']
    const tls = { acme: stage.section(domains, { challenge }) }
    const one = await stage.add(stage.options(tls, { proxy: { workers: 2 } }))
    for (const domain of domains) await stage.issued(one, domain)
    for (let i = 0; i < 10; i++) expect(await stage.served(one.secure, 'api.example.test')).toBe('DNS:api.example.test')
    expect([acme.issued.toSorted(), acme.contacts]).toEqual([domains.toSorted(), [['mailto:ops@example.com']]])
    expect(acme.looks).toEqual(Array(2).fill(`${challenge} ${challenge === 'http-01' ? one.plain : one.secure}`))

    const standing = await one.ordered('www.example.test')
    expect(standing).toMatchObject({ challenge, failures: 0, error: null, nextTry: null })
    const life = Date.parse(standing.notAfter as string) - Date.now()
    const renewal = Date.parse(standing.nextRenewal as string) - Date.now()
    expect(renewal / life).toBeGreaterThan(0.64)
    expect(renewal / life).toBeLessThan(0.67)

    const { body } = await one.cutover.api('GET', '/api/certificates')
    expect(body.certificates[0]).toMatchObject({ source: 'acme', file: 'acme:www.example.test', error: null })
    const { body: metrics } = await one.cutover.api('GET', '/metrics')
    expect(metrics).toMatch(/^cutover_acme_orders_total\{outcome="issued"\} 2$/m)
    expect(metrics).toMatch(/^cutover_tls_not_after_seconds\{.*file="acme:www.example.test"\} \d+/m)
    expect(metrics).toMatch(/^cutover_acme_failures\{domain="www.example.test"\} 0$/m)
    expect((await one.cutover.api('GET', '/health')).body.parts.certificates).toEqual({ status: 'ok', detail: null })
    const shown = JSON.stringify([body, (await one.cutover.api('GET', '/api/config')).body])
    expect(shown + one.cutover.stderr + one.cutover.stdout).not.toContain('PRIVATE KEY')
  },
)

test('an answer is there for its token only, before the redirect, and only while the server looks', async () => {
  stage = await AcmeStage.start()
  const { acme } = stage
  let look: () => void = () => undefined
  acme.beforeLook = () => new Promise<void>((resolve) => (look = resolve))
  const one = await stage.add(stage.options({ acme: stage.section(['www.example.test']) }))
  await until(() => acme.count('challenge') > 0)
  const ask = async (path: string, method = 'GET') => {
    const client = await RawConnection.connect(`http://127.0.0.1:${one.plain}`)
    const answer = await client.ask([`${method} ${path} HTTP/1.1`, 'Host: www.example.test'])
    client.destroy()
    return answer
  }
  const token = acme.tokens[0] as string
  const prefix = '/.well-known/acme-challenge/'
  const answer = await ask(`${prefix}${token}`)
  expect([answer.status, answer.field('content-type')]).toEqual([200, 'application/octet-stream'])
  expect(answer.body.toString()).toMatch(new RegExp(`^${token}\\.[\\w-]{43}$`))
  for (const path of [`${prefix}${token}x`, prefix, `${prefix}__proto__`, `${prefix}${token}?x`, `/x${prefix}${token}`])
    expect([path, (await ask(path)).status]).toEqual([path, 308])
  expect((await ask(`${prefix}${token}`, 'POST')).status).toBe(308)
  look()
  await stage.issued(one, 'www.example.test')
  await until(async () => (await ask(`${prefix}${token}`)).status === 308)
})

test('clients are not affected while a challenge by TLS is answered', async () => {
  stage = await AcmeStage.start()
  const { acme, folder } = stage
  let look: () => void = () => undefined
  acme.beforeLook = () => new Promise<void>((resolve) => (look = resolve))
  const certificates = [await folder.put('localhost', AUTHORITY.issue())]
  const tls = { certificates, acme: stage.section(['www.example.test'], { challenge: 'tls-alpn-01' }) }
  const listen = [
    { address: '127.0.0.1:0', tls },
    { address: '127.0.0.1:0', redirectToHttps: true },
    { address: '127.0.0.1:0', tls: { certificates }, proxyProtocol: true },
  ]
  const one = await stage.add(stage.options(tls, { proxy: { workers: 2, listen, trustedProxies: ['127.0.0.0/8'] } }))
  await until(() => acme.count('challenge') > 0)
  // With and without ALPN, for the name of the certificate, and without any.
  for (const options of [{}, { ALPNProtocols: ['http/1.1'] }, { servername: '' }, { maxVersion: 'TLSv1.2' as const }]) {
    const socket = await secureTo(one.secure, { checkServerIdentity: () => undefined, ...options })
    const client = new RawConnection(socket)
    expect((await client.ask(GET)).status).toBe(200)
    client.destroy()
  }
  // No surprise for the name itself: neither the certificate of the challenge nor that of another name.
  expect(await one.refusal('www.example.test')).toBe('ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR')
  const acmeTo = (servername: string, below?: Socket) =>
    new Promise<string>((resolve) => {
      const options = { servername, ALPNProtocols: ['acme-tls/1'], rejectUnauthorized: false }
      const to = below === undefined ? { host: '127.0.0.1', port: one.secure } : { socket: below }
      const socket = connect({ ...to, ...options })
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
      socket.on('secureConnect', () => {
        socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
        socket.on('data', () => resolve('data')).on('end', () => resolve(`ended ${socket.alpnProtocol}`))
      })
    })
  expect(await acmeTo('www.example.test')).toBe('ended acme-tls/1')
  expect(await acmeTo('localhost')).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
  // A listener that has nothing to do with the name, and whose connections begin with a PROXY header, answers as well.
  expect(await acmeTo('www.example.test', await behindProxyHeader(one.others[0] as number))).toBe('ended acme-tls/1')
  const secured = await secureTo(0, { socket: await behindProxyHeader(one.others[0] as number) })
  const client = new RawConnection(secured)
  expect((await client.ask(GET)).status).toBe(200)
  client.destroy()
  look()
  await stage.issued(one, 'www.example.test')
  await until(async () => (await acmeTo('www.example.test')) === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
  const { body } = await one.cutover.api('GET', '/metrics')
  const countOf = (outcome: string): number => {
    const lines = body.matchAll(new RegExp(`^cutover_tls_handshakes_total\\{.*outcome="${outcome}"\\} (\\d+)$`, 'gm'))
    return [...lines].reduce((sum, [, count]) => sum + Number(count), 0)
  }
  // Two of the test, and the look of the ACME server; the challenge may have been there for a moment longer.
  expect(countOf('acme')).toBeGreaterThanOrEqual(3)
  expect(countOf('noCertificate')).toBeGreaterThan(0)
})

async function behindProxyHeader(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('PROXY TCP4 203.0.113.7 203.0.113.1 4711 443\r\n')
  return socket
}

test('until there is a certificate, handshakes are refused with an alert, and health says so', async () => {
  stage = await AcmeStage.start()
  stage.acme.failing.set('newOrder', { status: 503, type: 'serverInternal', detail: 'maintenance', retryAfter: '7200' })
  const one = await stage.add(stage.options({ acme: stage.section(['www.example.test']) }))
  const standing = await one.until('www.example.test', ({ error }) => error !== null)
  expect(standing.error).toBe('maintenance (serverInternal)')
  expect(Date.parse(standing.nextTry as string) - Date.now()).toBeGreaterThan(7_100_000)
  expect(await one.refusal('www.example.test')).toBe('ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR')
  for (const servername of ['other.test', ''])
    expect(await one.refusal(servername)).toBe('ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE')
  const { status, body } = await one.cutover.api('GET', '/health')
  expect([status, body.parts.certificates.status]).toEqual([200, 'degraded'])
  expect(body.parts.certificates.detail).toMatch(
    /^www\.example\.test has no certificate yet: maintenance \(serverInternal\); next try at \S+Z$/,
  )
  // Nobody asks again before that; people may.
  const asked = stage.acme.count('newOrder')
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(stage.acme.count('newOrder')).toBe(asked)
  stage.acme.failing.clear()
  const renewed = await one.cutover.api('POST', '/api/certificates/renew')
  expect([renewed.status, renewed.body.ordering]).toEqual([202, ['www.example.test']])
  await stage.issued(one, 'www.example.test')
})
