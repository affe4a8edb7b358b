import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { type Ran, runCutover } from './support.ts'

const ADMIN = 'token-of-ann'
const READER = 'token-of-bob'

let cutover: Cutover
let server: Upstream
beforeAll(async () => {
  server = await startUpstream((_request, response) => response.end('ok'))
  const tokens = [
    { name: 'ann', role: 'admin', token: ADMIN },
    { name: 'bob', role: 'read', token: READER },
  ]
  const down = 'http://127.0.0.1:9'
  const shop = {
    hosts: ['shop.test'],
    pools: {
      blue: { servers: { blue1: server.url, blue2: server.url } },
      green: { servers: { green1: down } },
      red: { servers: { red1: server.url } },
    },
    split: { blue: 100 },
    health: { interval: '50ms' },
  }
  cutover = await Cutover.start({ services: { shop }, admin: { tokens }, proxy: { accessLog: {} } })
  await until(async () => {
    const answer = await cutover.api('GET', '/api/services/shop', undefined, { authorization: `Bearer ${ADMIN}` })
    return answer.body.pools[0].up === 2 && answer.body.pools[1].servers[0].health === 'down'
  })
})
afterAll(async () => {
  await cutover.stop('SIGKILL')
  await server.close()
})

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  runCutover(args, { env: { CUTOVER_ADMIN: cutover.admin, CUTOVER_TOKEN: ADMIN, ...env } })

interface Mistake {
  readonly what: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly code: number
  /** What is wrong, and what to do. */
  readonly says: readonly string[]
}

const MISTAKES: readonly Mistake[] = [
  {
    what: 'a verb that does not exist',
    args: ['swich', 'shop'],
    code: 2,
    says: ["unknown command 'swich'", 'Did you mean switch?', 'cutover --help'],
  },
  {
    what: 'a service of another name',
    args: ['status', 'shp'],
    code: 2,
    says: ['There is no service "shp"', 'Did you mean "shop"'],
  },
  {
    what: 'no service',
    args: ['switch'],
    code: 2,
    says: ["missing required argument 'service'", 'Usage: cutover switch [options] <service> [pool]'],
  },
  { what: 'no pool, of three', args: ['switch', 'shop'], code: 2, says: ['name the pool', 'blue, green, red'] },
  {
    what: 'a pool of another name',
    args: ['switch', 'shop', 'gren'],
    code: 2,
    says: ['There is no pool "gren"', 'Did you mean "green"'],
  },
  {
    what: 'a pool that is down',
    args: ['switch', 'shop', 'green'],
    code: 1,
    says: ['green1 is down', 'connection refused', 'add --force'],
  },
  {
    what: 'more than all',
    args: ['shift', 'shop', 'red', '150'],
    code: 2,
    says: ["'150' is invalid", 'a percentage such as 5', 'cutover shift --help'],
  },
  {
    what: 'a pool in place of a server',
    args: ['drain', 'blue'],
    code: 2,
    says: ['There is no server "blue"', 'Did you mean "blue1"'],
  },
  {
    what: 'nobody at the address',
    args: ['status'],
    env: { CUTOVER_ADMIN: '127.0.0.1:2' },
    code: 1,
    says: ['no answer from http://127.0.0.1:2', 'CUTOVER_ADMIN', 'cutover run --config FILE'],
  },
  {
    what: 'an address that is none',
    args: ['status', '--admin', 'ftp://x'],
    code: 2,
    says: ['--admin', 'http://HOST:PORT'],
  },
  {
    what: 'no token',
    args: ['status'],
    env: { CUTOVER_TOKEN: '' },
    code: 1,
    says: ['Set CUTOVER_TOKEN to one of admin.tokens'],
  },
  {
    what: 'a token that is not known',
    args: ['status'],
    env: { CUTOVER_TOKEN: 'nonsense' },
    code: 1,
    says: ['not known here', 'Set CUTOVER_TOKEN to one of admin.tokens'],
  },
  {
    what: 'a token that may only read',
    args: ['switch', 'shop', 'red'],
    env: { CUTOVER_TOKEN: READER },
    code: 1,
    says: ['operate'],
  },
  {
    what: 'a service where the time belongs',
    args: ['switch', '--wait', 'shop', 'red'],
    code: 2,
    says: ["'shop' is invalid", 'a time such as 30s'],
  },
  {
    what: 'a server without its url',
    args: ['deploy', 'shop', '--pool', 'red', '--server', 'red1'],
    code: 2,
    says: ['NAME=URL, such as green1=http://10.0.1.1:9000'],
  },
  { what: 'a deploy of no server', args: ['deploy', 'shop', '--pool', 'red'], code: 2, says: ['--server NAME=URL'] },
  {
    what: 'a header without a value',
    args: ['explain', 'shop', '--header', 'x-beta'],
    code: 2,
    says: ['header: expected NAME:VALUE'],
  },
  {
    what: 'a type of event that does not exist',
    args: ['events', '--types', 'chnge'],
    code: 2,
    says: ['no type of event "chnge"', 'Did you mean "change"'],
  },
  {
    what: 'logs that go to standard output',
    args: ['logs'],
    code: 1,
    says: ['standard output', 'journalctl', 'proxy.accessLog.file'],
  },
  {
    what: 'logs without the role that may ask where',
    args: ['logs'],
    env: { CUTOVER_TOKEN: READER },
    code: 1,
    says: ['cutover logs --file FILE'],
  },
  { what: 'a shell that is not known', args: ['completion', 'tcsh'], code: 2, says: ['bash, zsh, fish'] },
]

test.concurrent.for(MISTAKES.map((mistake) => [mistake.what, mistake] as const))(
  '%s: says what to do',
  async ([, { args, env = {}, code, says }]) => {
    const ran = await run(args, env)
    expect([ran.code, ran.stdout]).toEqual([code, ''])
    for (const text of says) expect(ran.stderr).toContain(text)
  },
)

test('the port of the proxy in place of that of the admin API: says what it found', async () => {
  const { code, stdout, stderr } = await run(['status'], { CUTOVER_ADMIN: cutover.proxy })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('is this the url of an admin API?')
})

test('mistakes have changed nothing', async () => {
  const { stdout } = await run(['history', 'shop', '--json'])
  expect(JSON.parse(stdout).history).toHaveLength(1)
})
