import { execFile } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { Held, problem, send } from './support.ts'

const TOKENS = [
  { name: 'boss', role: 'admin', token: 'right-token-1' },
  { name: 'viewer', role: 'read', token: 'right-token-2' },
]
const RIGHT = { authorization: 'Bearer right-token-1' }
const PATIENCE_MS = 60_000

const held = new Held()
let upstreams: Upstream[] = []

beforeAll(async () => {
  upstreams = [
    await startUpstream(held.handler, { name: 'blue1' }),
    await startUpstream(held.handler, { name: 'green1' }),
  ]
})
afterAll(async () => {
  held.release()
  for (const upstream of upstreams) await upstream.close()
})

async function start(admin: object, proxy: object = {}): Promise<Cutover> {
  const pool = (upstream: Upstream | undefined) => ({ servers: { one: `${upstream?.url}` } })
  const pools = { blue: pool(upstreams[0]), green: pool(upstreams[1]) }
  const cutover = await Cutover.start({
    services: { shop: { pools, split: { blue: 100 }, health: { interval: '100ms' } } },
    admin: { tokens: TOKENS, ...admin },
    proxy,
  })
  onTestFinished(async () => {
    await cutover.stop('SIGKILL')
  })
  return cutover
}

/** Connections to the admin API that say nothing, or only `text`. */
async function flood(cutover: Cutover, count: number, text = ''): Promise<net.Socket[]> {
  const { hostname, port } = new URL(cutover.admin)
  const sockets = Array.from({ length: count }, () => net.connect(Number(port), hostname))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (const socket of sockets) {
    socket.on('error', () => undefined)
    socket.resume()
    socket.write(text)
  }
  await Promise.all(
    sockets.map((socket) => (socket.connecting ? once(socket, 'connect').catch(() => undefined) : null)),
  )
  return sockets
}

/** On a connection of its own: one kept from before might be the one that gives way. */
const get = (cutover: Cutover, path: string) => send(cutover.admin, { path, headers: RIGHT })

async function metric(cutover: Cutover, name: string): Promise<number> {
  const line = `${(await get(cutover, '/metrics')).body}`.split('\n').find((each) => each.startsWith(name))
  return Number(line?.split(' ').at(-1))
}

describe('under a flood of connections to the admin API', () => {
  test.each([
    ['silent ones, one process', '', 0],
    ['silent ones, a control process', '', 1],
    ['ones with half a head', 'GET / HTTP/1.1\r\nhost: x', 0],
    [
      'ones with a wrong token and half a body',
      'POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\ncontent-length: 9\r\n\r\n{',
      0,
    ],
  ])(
    'somebody with a token gets in, from the same address: %s',
    async (_what, text, workers) => {
      const cutover = await start({ connections: 16 }, { workers })
      for (let i = 0; i < 5; i++) {
        await flood(cutover, 40, text)
        expect((await get(cutover, '/api/services')).status).toBe(200)
      }
      const open = await metric(cutover, 'cutover_connections{listener="admin"}')
      expect(open).toBeLessThanOrEqual(16)
      // Those with a wrong token are closed with their answers, too.
      const refused = await metric(cutover, 'cutover_admin_connections_refused_total')
      if (!text.includes('Bearer x')) expect(refused).toBeGreaterThan(100)
    },
    PATIENCE_MS,
  )

  test(
    'a call in progress is not cut, and is answered',
    async () => {
      const cutover = await start({ connections: 16 })
      await until(async () => (await get(cutover, '/ready')).status === 200)
      const slow = fetch(`${cutover.proxy}/hold`)
      await until(() => upstreams[0]?.requests.some(({ url }) => url === '/hold'))
      const call = cutover.api('POST', '/api/services/shop/switch?wait=30s', { to: 'green' }, RIGHT)
      await until(async () => (await get(cutover, '/api/services/shop')).body.split.green === 100)
      for (let i = 0; i < 5; i++) await flood(cutover, 40)
      expect((await get(cutover, '/api/services')).status).toBe(200)
      held.release()
      expect((await slow).status).toBe(200)
      expect((await call).status).toBe(200)
    },
    PATIENCE_MS,
  )

  test(
    'the data plane and the probes have the descriptors they need',
    async () => {
      const cutover = await start({})
      await until(async () => (await get(cutover, '/ready')).status === 200)
      await promisify(execFile)('prlimit', ['--pid', `${cutover.process.pid}`, '--nofile=512:512'])
      await flood(cutover, 700)
      const probed = async () =>
        Date.parse((await get(cutover, '/api/services/shop')).body.pools[0].servers[0].lastProbe.at)
      const since = await probed()
      // Three probes more, and every one of them passed.
      await until(async () => (await probed()) > since + 300)
      for (let i = 0; i < 50; i++) expect((await fetch(`${cutover.proxy}/`)).status).toBe(200)
      expect((await get(cutover, '/health')).body.status).toBe('ok')
    },
    PATIENCE_MS,
  )
})

test(
  'what is too slow is closed: silence, heads and bodies; what is passed on may pause',
  async () => {
    const cutover = await start({})
    const head = (line: string, length: number) =>
      `${line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer right-token-1\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
    const slow = [
      '',
      'GET /api/services HTTP/1.1\r\nhost: x\r\nx-slow: ',
      `${head('POST /api/services/shop/switch', 20)}{"to":`,
      `${head('POST /api/services/shop/switch', 20).replace('right', 'wrong')}{"to":`,
      `${head('GET /healthz', 20)}{`,
    ]
    const [upload] = await flood(cutover, 1, `${head('POST /preview/shop/green/', 4)}ab`)
    const closed = slow.map(async (text) => {
      const [socket] = await flood(cutover, 1, text)
      let answer = ''
      socket?.on('data', (chunk: Buffer) => {
        answer += chunk
      })
      const trickle = setInterval(() => text !== '' && socket?.write('1'), 1_000)
      await once(socket as net.Socket, 'close')
      clearInterval(trickle)
      return answer
    })
    const answers = await Promise.all(closed)
    expect(answers.map((answer) => answer.slice(9, 12))).toEqual(['408', '408', '408', '401', '200'])
    expect(answers[2]).toContain('"title":"Too slow"')
    upload?.write('cd')
    const [answer] = await once(upload as net.Socket, 'data')
    expect(`${answer}`).toMatch(/^HTTP\/1\.1 200 /)
  },
  PATIENCE_MS,
)

test('an address that guesses tokens is told to wait, and a right token from it is accepted', async () => {
  const cutover = await start({})
  const guess = (n: number) => cutover.api('GET', '/api/services', undefined, { authorization: `Bearer guess-${n}` })
  for (let n = 0; n < 10; n++) problem(await guess(n), 401, 'Wrong token')
  for (let n = 10; n < 30; n++) {
    const answer = await guess(n)
    problem(answer, 429, 'Too many wrong tokens')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    expect((await get(cutover, '/api/services')).status).toBe(200)
  }
  expect(await metric(cutover, 'cutover_admin_wrong_tokens_total')).toBe(30)
  // A token that is missing is no guess, and nothing is said twice.
  problem(await cutover.api('GET', '/api/services'), 401, 'Token needed')
  expect(cutover.stderr.match(/too many wrong tokens/g)).toHaveLength(1)
  expect(cutover.stderr).not.toContain('guess-')
})
