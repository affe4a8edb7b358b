import { once } from 'node:events'
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
})

test('a control process that starts with broken files gives new workers what was in force', async () => {
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
