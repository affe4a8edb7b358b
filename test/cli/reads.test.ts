import { appendFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { CliStage, hostOf } from './cli-stage.ts'

const stage = new CliStage()
beforeAll(() => stage.start())
afterAll(() => stage.stop())

describe('status', () => {
  test('a line a pool, and what is wrong; of one service, its servers, too', async () => {
    const service = await stage.service('shop')
    await stage.shop.done('POST', `/api/services/${service}/shift`, { to: 'green', percent: 12.5 })
    await stage.shop.done('POST', '/api/servers/green1/drain?service=shop&wait=5s')
    const { code, stdout, stderr } = await stage.run(['status'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^SERVICE +POOL +VERSION +SHARE +UP +IN FLIGHT\n/)
    expect(stdout).toMatch(/^shop +blue +1\.4\.2 +█{8}░{2} +87\.5 % +2\/2 +0$/m)
    expect(stdout).toMatch(/^ +green +1\.5\.0 +█░{9} +12\.5 % +1\/2 +0\n +green\/green1: drain, drained$/m)
    const one = await stage.run(['status', service])
    expect(one.stdout).toMatch(/^green1 +green +1 +0 +drain, drained +up +http:\/\/127\.0\.0\.1:\d+ 200 in \d+ms$/m)
    expect(await stage.json('status', service)).toMatchObject({ name: 'shop', split: { blue: 87.5, green: 12.5 } })
    expect(await stage.json('status')).toMatchObject({ revision: expect.any(Number), services: [{ name: 'shop' }] })
  })
})

describe('history', () => {
  test('of a service and of all: who, what, from what to what, and why', async () => {
    const service = await stage.service('told')
    await stage.run(['switch', service, '--reason', 'release 2'])
    await stage.run(['drain', 'blue1', '--service', service])
    const { stdout } = await stage.run(['history', service])
    const [heads, drained, switched, defined] = stdout.split('\n')
    expect(heads).toMatch(/^REVISION +WHEN +BY +CHANGE$/)
    expect(drained).toMatch(/^ +\d+ +[-\d]{10} [:\d]{8} +local +\w+: .*blue1.*ready → drain$/)
    expect(switched).toMatch(/ switch: blue 100 → green 100; release 2$/)
    expect(defined).toMatch(/pools\.blue\.version: 1\.4\.2/)
    const all = await stage.json('history', '-n', '2')
    expect(all.history.map(({ service, action }: Record<string, string>) => [service, action])).toEqual([
      ['told', expect.any(String)],
      ['told', 'switch'],
    ])
    expect((await stage.run(['history', '--last', '2'])).stdout).toMatch(/ told switch: blue 100/)
  })
})

describe('explain', () => {
  test('which pool and servers a request gets, by header, cookie, client and method', async () => {
    const routes = [
      {
        name: 'beta',
        match: { header: { 'x-beta': '1', 'x-list': 'a, b' }, cookie: { team: 'qa' }, method: 'POST', ip: '192.0.2.7' },
        to: 'green',
      },
    ]
    const service = await stage.service('explained', { routes })
    const plain = await stage.run(['explain', service, '--path', '/cart?x=1'])
    expect([plain.code, plain.stderr]).toEqual([0, ''])
    expect(plain.stdout).toMatch(
      /^GET explained\.test\/cart\?x=1 from 127\.0\.0\.1 → explained, pool blue\n {2}service /,
    )
    expect(plain.stdout).toMatch(/^green +0 % +no +\S/m)
    expect(plain.stdout).toMatch(/^blue1 +blue +ready +up +yes +it takes requests$/m)
    const given = ['--method', 'POST', '--header', 'X-Beta: 1', '--header', 'X-List: a, b', '--cookie', 'team=qa']
    const routed = await stage.json('explain', '--host', hostOf(service), ...given, '--client', '192.0.2.7')
    expect(routed).toMatchObject({ service, pool: 'green', request: { method: 'POST', ip: '192.0.2.7' } })
    const nowhere = await stage.run(['explain', '--host', 'nowhere.test'])
    expect([nowhere.code, nowhere.stdout]).toEqual([0, expect.stringContaining('→ no service\n')])
  })
})

describe('instances and openapi', () => {
  test('a line for each instance', async () => {
    const { code, stdout } = await stage.run(['instances'])
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^INSTANCE +SEEN +REVISION .* ADDRESS\n\S+ \* +live +\d+ +\d+ +\d+ % +\d+ MB +http/),
    ])
    expect(await stage.json('instances')).toMatchObject({ instances: [{ self: true, live: true }] })
  })

  test('the OpenAPI document', async () => {
    const { code, stdout } = await stage.run(['openapi'])
    expect([code, stdout.split('\n').length > 1_000]).toEqual([0, true])
    expect(JSON.parse(stdout)).toEqual(await stage.json('openapi'))
    expect(JSON.parse(stdout).openapi).toMatch(/^3\.1/)
  })
})

describe('events', () => {
  test('the newest of the past, filtered; as lines and as one document', async () => {
    const service = await stage.service('happened')
    await stage.run(['switch', service, '--reason', 'release 3'])
    const { code, stdout } = await stage.run(['events', '--service', service, '--types', 'change'])
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/\n[-\d]{10}T\S+Z +change +happened switch: blue 100 → green 100; by local; release 3\n$/),
    ])
    const { events, position } = await stage.json('events', '--types', 'change,drain.s*', '-n', '2')
    expect(events.map(({ type }: { type: string }) => type)).toEqual(['change', 'drain.started'])
    expect(position >= events[1].id).toBe(true)
    const none = await stage.run(['events', '--types', 'worker.died'])
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('No such event') })
  })

  test('-f: new ones as they happen, after those of the past that were asked for, without a gap', async () => {
    const service = await stage.service('followed')
    const following = stage.begin(['events', '-f', '-n', '1', '--service', service, '--types', 'change', '--json'])
    await until(() => following.stdout.includes('\n'))
    await stage.run(['switch', service])
    await until(() => following.stdout.split('\n').length === 3)
    following.process.kill('SIGINT')
    const { code, stdout } = await following.ended
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect([code, events.map(({ action }) => action)]).toEqual([130, [expect.any(String), 'switch']])
    const resumed = stage.begin(['events', '-f', '--after', events[0].id, '--service', service])
    await until(() => /change +followed switch/.test(resumed.stdout))
    resumed.process.kill('SIGTERM')
    expect((await resumed.ended).code).toBe(130)
  })
})

describe('top', () => {
  test('a line a pool, or the figures of the API', async () => {
    const service = await stage.service('topped')
    const ask = () => fetch(stage.shop.cutover.proxy, { headers: { host: hostOf(service) } })
    await ask().then((response) => response.text())
    const { code, stdout } = await stage.run(['top', '--service', service, '-n', '2', '--interval', '200ms'])
    expect([code, stdout.trimEnd().split('\n')]).toHaveLength(2)
    expect(stdout).toMatch(/^\S+Z +topped blue +[\d.]+\/s, errors \S+.*, p95 \S+, 0 in flight\n\S+ +topped green/)
    expect(await stage.json('top', '-n', '1', '--window', '60s')).toMatchObject({
      window: '60s',
      services: expect.any(Array),
    })
  })
})

describe('logs', () => {
  test('the last lines of a file, and new ones through a rotation', async () => {
    const file = join(stage.folder, 'access.log')
    await writeFile(file, 'one\ntwo ü\nthree\nunfin')
    expect(await stage.run(['logs', '--file', file, '-n', '2'])).toEqual({
      code: 0,
      stdout: 'two ü\nthree\n',
      stderr: '',
    })
    const following = stage.begin(['logs', '-f', '--file', file, '-n', '1'])
    await until(() => following.stdout === 'three\n')
    await appendFile(file, 'ished\n')
    await until(() => following.stdout === 'three\nunfinished\n')
    await rename(file, `${file}.1`)
    await appendFile(`${file}.1`, 'last of the old\n')
    await writeFile(file, 'first of the new\n')
    await until(() => following.stdout.endsWith('first of the new\n'))
    following.process.kill('SIGINT')
    const { code, stdout } = await following.ended
    expect([code, stdout]).toEqual([130, 'three\nunfinished\nlast of the old\nfirst of the new\n'])
  })

  test('without a file in the configuration: says where else to look', async () => {
    const { code, stderr } = await stage.run(['logs'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('The access log is off. Turn it on: proxy.accessLog')])
  })
})
