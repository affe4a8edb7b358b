import { once } from 'node:events'
import { appendFile } from 'node:fs/promises'
import { connect } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { processesOf } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { AUTHORITY, Edge, GET } from './support.ts'

let edge: Edge | null = null
afterEach(async () => {
  await edge?.stop()
  edge = null
})

/** Connections that each make a full handshake, send one request, and check its answer to the last byte. */
class Handshakes {
  done = 0
  readonly failures: string[] = []
  readonly fingerprints = new Set<string>()
  private isStopping = false
  private readonly all: Promise<void>[]

  constructor(port: number, clients: number) {
    this.all = Array.from({ length: clients }, () => this.run(port))
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await Promise.all(this.all)
  }

  private async run(port: number): Promise<void> {
    while (!this.isStopping) {
      try {
        await this.once(port)
        this.done++
      } catch (error) {
        this.failures.push(String(error))
      }
    }
  }

  private async once(port: number): Promise<void> {
    const socket = connect({ host: '127.0.0.1', port, ca: AUTHORITY.cert, servername: 'localhost' })
    await once(socket, 'secureConnect')
    this.fingerprints.add(socket.getPeerCertificate().fingerprint256)
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    await once(socket, 'close')
    if (!/^HTTP\/1\.1 200 [\s\S]*\r\n\r\nupstream$/.test(text)) throw new Error(`not an answer: ${text}`)
  }
}

test('100 exchanges of the certificate under full handshakes fail none, and leave open connections alone', async () => {
  edge = await Edge.start({ proxy: { workers: 2 } })
  const { port, folder } = edge
  const kept = await edge.raw()
  const load = new Handshakes(port, 8)
  const issued: string[] = []
  for (let i = 0; i < 100; i++) {
    const pair = AUTHORITY.issue({ commonName: `exchange ${i}` })
    // One after the other, as people and programs replace them: for a moment they do not fit.
    if (i % 2 === 0) {
      await folder.replace('localhost.pem', pair.cert)
      await folder.replace('localhost.key', pair.key)
    } else await folder.put('localhost', pair)
    expect((await edge.reload()).status).toBe(200)
    const { body } = await edge.cutover.api('GET', '/api/certificates')
    issued.push(body.certificates[0].fingerprint)
    expect((await kept.ask(GET)).status).toBe(200)
  }
  const before = load.done
  await until(() => load.done > before + 20)
  await load.stop()
  expect(load.failures).toEqual([])
  expect(new Set(issued).size).toBe(100)
  expect(load.fingerprints.size).toBeGreaterThan(20)
  const handshakes = await edge.handshakes()
  expect(Object.keys(handshakes)).toEqual(['full'])
  kept.destroy()
})

test('a new pair is in force by itself within a few seconds, in all workers', async () => {
  edge = await Edge.start({ proxy: { workers: 2 } })
  const { folder } = edge
  const first = await edge.fingerprint()
  const pair = AUTHORITY.issue()
  await folder.replace('localhost.pem', pair.cert)
  await folder.replace('localhost.key', pair.key)
  const second = await until(async () => {
    const now = await (edge as Edge).fingerprint()
    return now === first ? null : now
  }, 5_000)
  for (let i = 0; i < 20; i++) expect(await edge.fingerprint()).toBe(second)
  const { body } = await edge.cutover.api('GET', '/api/certificates')
  expect(body.certificates[0]).toMatchObject({
    error: null,
    names: ['localhost'],
    file: folder.files('localhost').cert,
  })
  await edge.cutover.api('GET', '/health')
})

test.for<readonly [string, (edge: Edge) => Promise<void>, RegExp]>([
  [
    'a certificate of another key',
    ({ folder }) => folder.replace('localhost.pem', AUTHORITY.issue().cert),
    /localhost\.key is not the key of the certificate in .*localhost\.pem/,
  ],
  [
    'a key of another certificate',
    ({ folder }) => folder.replace('localhost.key', AUTHORITY.issue().key),
    /not the key/,
  ],
  ['no PEM', ({ folder }) => folder.replace('localhost.pem', 'garbage'), /localhost\.pem is not a PEM certificate/],
  ['an empty file', ({ folder }) => folder.replace('localhost.key', ''), /localhost\.key is not a PEM private key/],
  [
    'a chain that is cut off',
    ({ folder }) => appendFile(folder.files('localhost').cert, AUTHORITY.cert.slice(0, 200)),
    /localhost\.pem ends in the middle of a certificate/,
  ],
  [
    'a large file',
    ({ folder }) => appendFile(folder.files('localhost').cert, ' '.repeat(2_000_000)),
    /localhost\.pem cannot be read: it has more than 1048576 bytes/,
  ],
])(
  '%s changes nothing, and is said once: in the log, in the API, as an event and in metrics',
  async ([, spoil, why]) => {
    edge = await Edge.start()
    const { cutover, folder } = edge
    const first = await edge.fingerprint()
    await spoil(edge)
    const standing = await until(async () => {
      const { body } = await cutover.api('GET', '/api/certificates')
      return body.certificates[0].error === null ? null : body.certificates[0]
    })
    expect(standing.error).toMatch(why)
    expect(await edge.fingerprint()).toBe(first)
    const refused = (await edge.reload()) as { status: number; body: { problems: { path: string; message: string }[] } }
    expect(refused.status).toBe(422)
    expect(refused.body.problems[0]?.path).toMatch(/^proxy\.listen\[0\]\.tls\.certificates\[0\]\.(cert|key)$/)
    expect(refused.body.problems[0]?.message).toMatch(why)
    expect(await edge.fingerprint()).toBe(first)
    const health = (await cutover.api('GET', '/health')).body
    expect(health.parts.certificates).toMatchObject({ status: 'degraded', detail: expect.stringMatching(why) })
    const { body: metrics } = await cutover.api('GET', '/metrics')
    expect(metrics).toMatch(/^cutover_tls_certificate_refused\{.*\} 1$/m)
    expect(metrics).toMatch(/^cutover_tls_certificate_failures_total\{.*\} 1$/m)
    // Time for several more looks.
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    const lines = cutover.stderr.split('\n').filter((line) => line.includes('what was in force before stays so'))
    expect(lines).toHaveLength(1)
    // And a good pair ends it.
    await folder.put('localhost', AUTHORITY.issue())
    await until(async () => (await (edge as Edge).fingerprint()) !== first)
    expect((await cutover.api('GET', '/health')).body.parts.certificates).toMatchObject({ status: 'ok' })
  },
)

test('files that the workers cannot read, and a control process that starts with broken ones', async () => {
  edge = await Edge.start({ proxy: { workers: 1 } })
  const { cutover, folder } = edge
  const first = await edge.fingerprint()
  await folder.replace('localhost.key', 'broken')
  const control = () => processesOf(cutover.process.pid as number).filter(({ role }) => role === 'control')
  const [running] = control()
  process.kill(running?.pid as number, 'SIGKILL')
  // While it is away, the worker has what it had.
  expect(await edge.fingerprint()).toBe(first)
  const standing = await until(async () => {
    const answer = await cutover.api('GET', '/api/certificates').catch(() => null)
    return answer?.body.certificates[0] ?? null
  })
  expect(standing.error).toMatch(/not a PEM private key/)
  // A new worker gets from it what was in force.
  process.kill(cutover.process.pid as number, 'SIGUSR2')
  await until(() => cutover.stderr.includes('all workers are replaced'))
  expect(await edge.fingerprint()).toBe(first)
})
