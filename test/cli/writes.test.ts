import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { CliStage } from './cli-stage.ts'

const stage = new CliStage()
beforeAll(() => stage.start())
afterAll(() => stage.stop())

const done = (sentence: RegExp | string) => ({ code: 0, stderr: '', stdout: expect.stringMatching(sentence) })

describe('where requests go', () => {
  test('switch: to the other pool, to a named one, and to one that has all already', async () => {
    const service = await stage.service('switched')
    expect(await stage.run(['switch', service, '--reason', 'release 2'])).toEqual(
      done(/^✔ switched: all requests to green.* \(revision \d+\)\n$/),
    )
    expect(await stage.shop.lastEntry(service)).toMatchObject({ action: 'switch', reason: 'release 2', forced: false })
    expect(await stage.run(['switch', service, 'blue', '--wait'])).toEqual(
      done(/^✔ switched: all requests to blue; green drained \(/),
    )
    expect(await stage.run(['switch', service, 'blue'])).toEqual(done(/\(nothing was to be changed\)\n$/))
  })

  test('shift, and rollback to the decision before or to that of a revision', async () => {
    const service = await stage.service('shifted')
    const { revision } = await stage.json('shift', service, 'green', '12.5')
    expect(await stage.run(['shift', service, 'green', '50%'])).toEqual(done(/^✔ shifted: blue 50 %, green 50 % \(/))
    expect(await stage.run(['rollback', service])).toEqual(done(/^✔ shifted: blue 87.5 %, green 12.5 % \(/))
    expect(await stage.run(['switch', service, 'green'])).toEqual(done('all requests to green'))
    const back = await stage.json('rollback', service, '--revision', String(revision), '--wait', '10s')
    expect(back).toMatchObject({ changed: true, service: { split: { blue: 87.5, green: 12.5 } } })
  })

  test('a promise that would break: exit code 1, with what to add; --force does it and is recorded', async () => {
    const service = await stage.service('forced', { minReady: 2 })
    stage.shop.server('green1').health = 500
    await until(async () => (await stage.shop.view(service)).pools[1].up === 1)
    const refused = await stage.run(['switch', service])
    expect(refused).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: .*fewer than minReady.*add --force\.\n$/),
    })
    expect((await stage.shop.view(service)).split).toEqual({ blue: 100, green: 0 })
    expect((await stage.run(['switch', service, '--force'])).code).toBe(0)
    expect((await stage.shop.lastEntry(service)).forced).toBe(true)
    stage.shop.server('green1').health = 200
  })
})

describe('waiting', () => {
  test('past the time: exit code 4, and what is in flight where; the change stands', async () => {
    const service = await stage.service('late')
    await stage.hold(service)
    const { code, stdout, stderr } = await stage.run(['switch', service, '--wait', '700ms', '--json'])
    expect([code, JSON.parse(stdout)]).toEqual([
      4,
      { revision: expect.any(Number), missing: { lagging: [], underWay: [{ name: 'blue', inFlight: 1 }] } },
    ])
    expect(stderr).toMatch(/^\d+m?s {2}in force: blue has 1 request in flight\n/)
    expect(stderr).toMatch(/The change stands \(revision \d+\), but after 700ms: blue has 1 request in flight\n/)
    expect(stderr).toContain('Look at it: cutover status late')
    expect((await stage.shop.view(service)).split).toEqual({ blue: 0, green: 100 })
    await stage.hold(service)
    const waiting = stage.begin(['pause', service, '--wait', '30s'])
    await waiting.said(/in force: green has 1 request/)
    stage.shop.held.release()
    expect(await waiting.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('requests are held') })
  })

  test('Ctrl-C: exit code 130, and that the change stands', async () => {
    const service = await stage.service('stopped-waiting')
    await stage.hold(service)
    const { servers } = (await stage.shop.view(service)).pools[0]
    const { name } = servers.find(({ inFlight }: { inFlight: number }) => inFlight === 1)
    const waiting = stage.begin(['drain', name, '--service', service, '--wait', '30s'])
    await waiting.said(/in force: blue\d has 1 request in flight/)
    waiting.process.kill('SIGINT')
    const { code, stderr } = await waiting.ended
    expect([code, stderr]).toEqual([130, expect.stringMatching(/Interrupted\. The change stands \(revision \d+\)/)])
    const now = (await stage.shop.view(service)).pools[0].servers
    expect(now.find((each: { name: string }) => each.name === name).state).toBe('drain')
    stage.shop.held.release()
  })
})

describe('servers', () => {
  test('drain, maint, weight, and enable', async () => {
    const service = await stage.service('served')
    const scope = ['--service', service, '--pool', 'blue']
    expect(await stage.run(['drain', 'blue1', ...scope, '--wait'])).toEqual(
      done(/^✔ served\/blue\/blue1: drain, drained; blue1 drained \(/),
    )
    const last = await stage.run(['disable', 'blue2', ...scope])
    expect([last.code, last.stderr]).toEqual([1, expect.stringContaining('add --force')])
    expect((await stage.json('enable', 'blue1', ...scope)).servers).toMatchObject([{ name: 'blue1', state: 'ready' }])
    expect(await stage.run(['drain', 'blue2', ...scope, '--maint', '--reason', 'new disk'])).toEqual(
      done('blue2: maint'),
    )
    const weighted = ['enable', 'blue2', ...scope, '--weight', '3', '--max-connections', '50', '--wait']
    expect(await stage.run(weighted)).toEqual(done(/^✔ served\/blue\/blue2: ready, weight 3/))
    expect((await stage.json('enable', 'blue2', ...scope, '--weight', 'configured')).servers[0]).toMatchObject({
      weight: 1,
      maxConnections: 50,
    })
  })

  test('of one name in several services: all of them, unless the service is said', async () => {
    const url = stage.shop.server('green2').url
    const pools = { blue: { servers: { twin: url, other: url } } }
    for (const name of ['twin-a', 'twin-b']) await stage.service(name, { pools, split: { blue: 100 } })
    const { servers } = await stage.json('drain', 'twin')
    expect(servers).toMatchObject([
      { service: 'twin-a', state: 'drain' },
      { service: 'twin-b', state: 'drain' },
    ])
    expect((await stage.json('enable', 'twin', '--service', 'twin-b')).servers).toHaveLength(1)
    expect((await stage.shop.view('twin-a')).pools[0].servers[0].state).toBe('drain')
  })
})

describe('deploy', () => {
  const green = (name: string) => ['--server', `${name}=${stage.shop.server('green1').url}`]

  test('puts servers in, switches, and says how long each part took', async () => {
    const service = await stage.service('deployed')
    const { code, stdout } = await stage.run(['deploy', service, '--pool', 'green', ...green('g9'), '--version', '2.0'])
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        /^✔ deployed: all requests to green, version 2\.0; up after .*, in force .*; blue drained \(revision/,
      ),
    ])
    const answer = await stage.json('deploy', service, ...green('b9'), '--reason', 'back', '--wait', '10s')
    expect(answer).toMatchObject({ deploy: { pool: 'blue', from: ['green'] }, drained: ['green'] })
  })

  test('that waits for its servers says for which; past the timeout: exit code 4, and all is as before', async () => {
    const service = await stage.service('undeployed')
    const before = await stage.shop.view(service)
    const nowhere = ['--server', 'g9=http://127.0.0.1:9']
    const { code, stdout, stderr } = await stage.run(['deploy', service, ...nowhere, '--timeout', '6s'])
    expect([code, stdout]).toEqual([4, ''])
    expect(stderr).toMatch(/^\d+s {2}green waits for its servers: g9 \((not checked yet|down: connection refused)\)\n/)
    expect(stderr).toMatch(/error: After 6000 ms: g9 is down \(connection refused\)\. The traffic is untouched/)
    expect((await stage.shop.view(service)).pools[1].servers.map(({ name }: { name: string }) => name)).toEqual(
      before.pools[1].servers.map(({ name }: { name: string }) => name),
    )
  })

  test('Ctrl-C says that it goes on; another one with --replace ends it', async () => {
    const service = await stage.service('replaced')
    const waiting = stage.begin(['deploy', service, '--server', 'g9=http://127.0.0.1:9'])
    await waiting.said(/waits for its servers: g9/)
    waiting.process.kill('SIGINT')
    const { code, stderr } = await waiting.ended
    expect([code, stderr]).toEqual([130, expect.stringContaining('The deploy goes on without this command')])
    const refused = await stage.run(['deploy', service, ...green('g9')])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('add --replace')])
    expect((await stage.run(['deploy', service, ...green('g9'), '--replace'])).code).toBe(0)
  })

  test('past --wait with a busy old pool: exit code 4; without --wait a note', async () => {
    const service = await stage.service('busy')
    await stage.hold(service)
    const late = await stage.run(['deploy', service, ...green('g9'), '--wait', '300ms'])
    expect([late.code, late.stderr]).toEqual([4, expect.stringMatching(/The change stands .*: blue has 1 request/)])
    stage.shop.held.release()
    await until(async () => (await stage.shop.view(service)).pools[0].drained)
    await stage.hold(service)
    const patient = await stage.run([
      'deploy',
      service,
      '--server',
      `b9=${stage.shop.server('blue1').url}`,
      '--timeout',
      '3s',
    ])
    expect([patient.code, patient.stdout]).toEqual([0, expect.stringContaining('all requests to blue')])
    expect(patient.stderr).toMatch(
      /in force: green has 1 request in flight\n(.*\n)*green still has 1 request in flight/,
    )
    stage.shop.held.release()
  })
})

describe('pause, stop and resume', () => {
  test('say what happens to the requests', async () => {
    const service = await stage.service('paused')
    expect(await stage.run(['pause', service, '--for', '1m', '--max-held', '5', '--wait'])).toEqual(
      done(/^✔ paused: paused, requests are held; /),
    )
    expect((await stage.json('resume', service)).service.mode).toBe('serving')
    expect(
      await stage.run(['stop', service, '--message', 'Back at 14:00.', '--status', '410', '--retry-after', '5m']),
    ).toEqual(done(/^✔ paused: stopped, requests are answered/))
    expect((await stage.shop.lastEntry(service)).to).toMatchObject({
      message: 'Back at 14:00.',
      status: 410,
      retryAfterSeconds: 300,
    })
    expect(await stage.run(['resume', service, '--wait'])).toEqual(done(/^✔ paused: all requests to blue/))
  })
})
