import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fleet } from '../fleet/support.ts'
import { until } from '../support/until.ts'
import { CommandLine, type Ran } from './support.ts'

let fleet: Fleet
let env: Readonly<Record<string, string>>

beforeAll(async () => {
  fleet = await Fleet.empty()
  const dead = await fleet.add('a')
  await fleet.add('b')
  await fleet.settled()
  env = { CUTOVER_ADMIN: `${dead.admin},${fleet.get('b').admin}` }
})
afterAll(() => fleet.stop())

const begin = (args: readonly string[]): CommandLine => new CommandLine(args, { env })
const run = (args: readonly string[]): Promise<Ran> => begin(args).ended

const LEFT_OUT = /note: not heard of: a; .*\(cutover instances\)\n/

describe('a fleet of two, of which the first to be asked is killed', () => {
  test('a write that waits says which instance it waits for, and then that it was left out', async () => {
    const dead = fleet.get('a')
    dead.process.kill('SIGKILL')
    await dead.exited
    const { code, stdout, stderr } = await run(['switch', 'shop', 'green', '--wait', '30s'])
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^✔ shop: all requests to green/)])
    expect(stderr).toMatch(/in force: a has to apply it/)
    expect(stderr).toMatch(LEFT_OUT)
    await until(async () => {
      const { body } = await fleet.get('b').api('GET', '/api/instances')
      return body.instances.some(({ name, live }: { name: string; live: boolean }) => name === 'a' && !live)
    })
  })

  const url = (server: string): string => fleet.app.servers[server]?.url ?? ''
  const WRITES: readonly (readonly [args: () => readonly string[], says: RegExp])[] = [
    [() => ['switch', 'shop', 'blue'], /all requests to blue/],
    [() => ['shift', 'shop', 'green', '10'], /blue 90 %, green 10 %/],
    [() => ['rollback', 'shop', '--wait', '10s'], /all requests to blue/],
    [() => ['drain', 'blue1'], /blue1: drain/],
    [() => ['drain', 'blue1', '--maint'], /blue1: maint/],
    [() => ['enable', 'blue1'], /blue1: ready/],
    [() => ['enable', 'blue1', '--weight', '2'], /blue1: ready, weight 2/],
    [() => ['pause', 'shop'], /paused, requests are held/],
    [() => ['stop', 'shop'], /stopped/],
    [() => ['resume', 'shop'], /all requests to blue/],
    [() => ['freeze', 'shop'], /frozen/],
    [() => ['unfreeze', 'shop'], /all requests to blue/],
    [() => ['rollout', 'start', 'shop', 'green', '--strategy', 'blueGreen'], /has begun: blue → green/],
    [() => ['rollout', 'abort', 'shop'], /Abort/],
    [() => ['deploy', 'shop', '--pool', 'next', '--server', `n1=${url('green1')}`], /all requests to next/],
  ]

  test('each write is made by the one that lives, once', async () => {
    for (const [args, says] of WRITES) {
      const words = args()
      const { code, stdout, stderr } = await run([...words, '--reason', words.join(' ')])
      expect([words, code, stdout]).toEqual([words, 0, expect.stringMatching(says)])
      expect([words, stderr]).toEqual([words, expect.stringMatching(LEFT_OUT)])
    }
    const { body } = await fleet.get('b').api('GET', '/api/services/shop/history?limit=1000')
    const reasons: readonly string[] = body.history.map(({ reason }: { reason: string | null }) => reason ?? '')
    for (const [args] of WRITES.filter(([each]) => !['rollout', 'deploy'].includes(each()[0] ?? '')))
      expect([args(), reasons.filter((reason) => reason === args().join(' ')).length]).toEqual([args(), 1])
  })

  const READS: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['status'], /shop +blue/],
    [['status', 'shop'], /blue1/],
    [['history'], /shop switch/],
    [['history', 'shop', '-n', '3'], /REVISION/],
    [['explain', 'shop'], /shop, pool/],
    [['instances'], /\n *a +[\w ]+ ago [\s\S]*b \* +live|b \* +live[\s\S]*\n *a +[\w ]+ ago/],
    [['events', '--types', 'instance.gone'], /instance\.gone .*silent/],
    [['top', '-n', '1'], /shop blue/],
    [['openapi', '--json'], /"openapi":"3\.1/],
    [['rollout', 'list', 'shop'], /Aborted/],
    [['rollout', 'get', 'shop'], /blue → green/],
    [['check', 'config/cutover.yaml', '--diff'], /~ shop/],
  ]

  test.concurrent.for(READS.map(([args, says]) => [args.join(' '), args, says] as const))(
    '%s',
    async ([, args, says]) => {
      const { code, stdout } = await run(args)
      expect([code, stdout]).toEqual([0, expect.stringMatching(says)])
    },
  )

  test('rollout status: exit code 1, since it was aborted', async () => {
    expect(await run(['rollout', 'status', 'shop'])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('Aborted'),
    })
  })

  test('events -f goes on at the one that lives', async () => {
    const following = begin(['events', '-f', '--after', '0-0', '--types', 'instance.gone'])
    await until(() => following.stdout.includes('instance.gone'))
    following.process.kill('SIGINT')
    expect((await following.ended).code).toBe(130)
  })

  test('logs, which needs a file, says so of the instance that it has asked', async () => {
    expect(await run(['logs'])).toMatchObject({ code: 1, stderr: expect.stringContaining('The access log is off') })
  })

  test('with none that lives: each address is named', async () => {
    const none = { CUTOVER_ADMIN: `${fleet.get('a').admin},127.0.0.1:2` }
    const { code, stderr } = await new CommandLine(['switch', 'shop', 'blue'], { env: none }).ended
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^error: no answer from http:\/\/127\.0\.0\.1:\d+ .*, http:\/\/127\.0\.0\.1:2 /),
    ])
    expect(stderr).not.toContain('may have been made')
  })

  test('without the store: reads are marked, writes change nothing, and --local changes the instance that is asked', async () => {
    await fleet.redis.stop()
    await until(async () => (await fleet.get('b').api('GET', '/api/services')).body.stale === true)
    expect((await run(['status'])).stderr).toContain('note: the store is away')
    const refused = await run(['drain', 'blue2'])
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/Nothing was changed.*: --local on switch, drain and enable/),
    ])
    expect(await run(['drain', 'blue2', '--local'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--admin URL'),
    })
    const here = await run(['drain', 'blue2', '--local', '--admin', fleet.get('b').admin])
    expect([here.code, here.stdout]).toEqual([0, expect.stringContaining('blue2: drain')])
    expect(here.stderr).toContain('note: only this instance was changed')
  })
})
