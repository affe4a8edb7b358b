import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { RolloutStage } from './rollout-stage.ts'

let stage: RolloutStage
beforeAll(async () => {
  stage = await RolloutStage.start()
})
afterAll(() => stage.stop())

const GATE = [{ setWeight: 10 }, { pause: { name: 'qa' } }]

describe('start and status --wait', () => {
  test('a healthy canary succeeds: exit code 0, with how it stands meanwhile', async () => {
    const service = await stage.service('healthy')
    const stop = stage.load(service)
    const file = await stage.file(
      'healthy.yaml',
      'steps: [{ setWeight: 20 }, { analysis: { duration: 1s } }]\nanalysis: { tick: 1s, minRequests: 20 }\nwatch: { duration: 0s }\n',
    )
    const started = await stage.run(['start', service, 'green', '-f', file, '--reason', 'release 2'])
    expect([started.code, started.stderr]).toEqual([0, ''])
    expect(started.stdout).toMatch(/^healthy r\d+ has begun: blue → green, steps, 2 steps\n/)
    const { code, stdout, stderr } = await stage.run(['status', service, '--wait', '30s'])
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^✔ healthy r\d+: Succeeded; green has all/)])
    expect(stderr).toMatch(/s {2}r\d+ Progressing, step 2 of 2, 20 %: needs /)
    expect(stderr).not.toContain('\u001b')
    const { stdout: tree } = await stage.run(['get', service])
    expect(tree).toMatch(/steps, by ann .* ago, took .*: release 2\n/)
    expect(tree).toMatch(/├─ ✔ 20 %\n├─ ✔ analysis 1s\n└─ ✔ promotion/)
    expect(tree).toMatch(/errors .*canary 0 of \d+ \(0 %\) +stable 0 of \d+ \(0 %\)\n/)
    stop()
  })

  test('a canary that fails: exit code 1, and why', async () => {
    const service = await stage.service('failing')
    stage.fail(service)
    const stop = stage.load(service)
    const { code, stdout, stderr } = await stage.run(['start', service, '--set-weight', '20,50', '--wait', '30s'])
    expect([code, stdout]).toEqual([
      1,
      expect.stringMatching(/^✖ failing r\d+: Aborted \(fuse\): .* answers of the canary failed.*; blue has all/),
    ])
    expect(stderr).toMatch(/^Rollout r\d+ of failing has begun: blue → green\n/)
    expect((await stage.run(['status', service])).code).toBe(1)
    stop()
  })

  test('R31 a health gate that never passes: back by itself, exit code 1 of status --wait', async () => {
    const service = await stage.service('gated')
    const file = await stage.file('gate.json', '{"healthGate": {"path": "/health", "times": 5, "interval": "100ms"}}')
    expect((await stage.run(['start', service, '--strategy', 'healthGate', '--file', file])).code).toBe(0)
    const { code, stdout } = await stage.run(['status', service, '--wait', '20s'])
    expect([code, stdout]).toEqual([
      1,
      expect.stringMatching(/Aborted \(HealthGateFailed\): 5 of 5 calls have failed.*blue has all of the traffic\n$/),
    ])
    expect((await stage.done('GET', `/api/services/${service}`)).split).toEqual({ blue: 100, green: 0 })
  })

  test('one that waits for a person: exit code 3, with what is missing and what to do', async () => {
    const service = await stage.service('slow')
    const id = await stage.atGate(service, GATE)
    const { code, stdout, stderr } = await stage.run(['status', service, '--wait', '100ms'])
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr).toContain(`Rollout ${id} of slow has not ended after 100ms: Paused (Gate), step 2 of 2, 10 %`)
    expect(stderr).toContain(`cutover rollout approve slow ${id}`)
    const atOnce = await stage.run(['status', service])
    expect([atOnce.code, atOnce.stdout]).toEqual([3, expect.stringContaining('Paused (Gate)')])
    expect(atOnce.stderr).toContain(`cutover rollout approve slow ${id}`)
  })

  test('one that goes on by itself, and has not ended in time: exit code 4', async () => {
    const service = await stage.service('steady')
    const steps = [{ setWeight: 10 }, { pause: { for: '10m' } }]
    await stage.done('POST', `/api/services/${service}/rollouts`, { to: 'green', steps })
    await until(async () => (await stage.newest(service)).reason === 'Step')
    const { code, stdout, stderr } = await stage.run(['status', service, '--wait', '100ms'])
    expect([code, stdout]).toEqual([4, ''])
    expect(stderr).toContain('has not ended after 100ms: Paused (Step)')
    expect((await stage.run(['status', service])).code).toBe(0)
  })

  test('one that a person has overruled: exit code 1', async () => {
    const service = await stage.service('overruled')
    await stage.atGate(service, GATE)
    const waiting = stage.begin(['status', service, '--wait'])
    await waiting.said(/Paused \(Gate\)/)
    await stage.done('POST', `/api/services/${service}/switch`, { to: 'blue', force: true })
    const { code, stdout } = await waiting.ended
    expect([code, stdout]).toEqual([1, expect.stringMatching(/Superseded: another decision/)])
  })

  test('Ctrl-C while waiting says that it goes on', async () => {
    const service = await stage.service('interrupted')
    const id = await stage.atGate(service, GATE)
    const waiting = stage.begin(['status', service, '--wait'])
    await waiting.said(/Paused \(Gate\)/)
    waiting.process.kill('SIGINT')
    const { code, stderr } = await waiting.ended
    expect([code, stderr]).toEqual([130, expect.stringContaining(`Rollout ${id} of interrupted goes on`)])
    expect((await stage.newest(service)).state).toBe('Paused')
  })
})

describe('moves', () => {
  test('pause, resume, set-weight, back and abort', async () => {
    const service = await stage.service('moved')
    await stage.atGate(service, [{ setWeight: 10 }, { pause: { for: '1ms' } }, { setWeight: 30 }, { pause: {} }])
    const set = await stage.run(['set-weight', service, '40%', '--wait', '10s'])
    expect([set.code, set.stdout]).toEqual([0, expect.stringContaining('step 4 of 4, 40 %')])
    const again = await stage.run(['set-weight', service, '40'])
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('(nothing was to be changed)')])
    const paused = await stage.run(['pause', service, '--reason', 'let me look'])
    expect(paused.stdout).toMatch(/^‖ moved r\d+: Paused \(Manual\), step 4 of 4, 40 %; paused by ann: let me look\n$/)
    expect((await stage.run(['resume', service])).code).toBe(0)
    expect((await stage.run(['back', service, '--json'])).stdout).toMatch(/"weight":\{"set":30/)
    const aborted = await stage.run(['abort', service, '--reason', 'wrong build', '--wait'])
    expect([aborted.code, aborted.stdout]).toEqual([
      0,
      expect.stringMatching(/Abort(ing|ed) \(Manual\).*aborted by ann: wrong build.*; green drained\n$/),
    ])
    const refused = await stage.run(['skip', service])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/^error: Rollout r\d+ has ended/)])
  })

  test('approve, skip and reject', async () => {
    const service = await stage.service('approved')
    const gates = [{ pause: { name: 'qa' } }, { pause: { name: 'ops' } }, { setWeight: 5 }, { pause: { name: 'all' } }]
    const id = await stage.atGate(service, gates)
    const wrong = await stage.run(['approve', service, '--gate', 'op'])
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('Did you mean "ops"')])
    expect((await stage.run(['approve', service])).code).toBe(0)
    await until(async () => (await stage.newest(service)).step.gate === 'ops')
    expect((await stage.run(['skip', service, id])).code).toBe(0)
    await until(async () => (await stage.newest(service)).step.gate === 'all')
    const { stdout } = await stage.run(['reject', service, '--reason', 'ticket 42'])
    expect(stdout).toContain('ann has rejected gate all: ticket 42')
  })

  test('retry and promote', async () => {
    const service = await stage.service('promoted')
    const id = await stage.atGate(service, [{ pause: {} }, { setWeight: 5 }, { pause: {} }])
    await stage.done('POST', `/api/services/${service}/rollouts/${id}/abort`)
    await until(async () => (await stage.newest(service)).state === 'Aborted')
    const retried = await stage.run(['retry', service])
    expect(retried.stdout).toMatch(/^● promoted r\d+: Pending/)
    expect(retried.stdout).not.toContain(id)
    expect((await stage.run(['promote', service, '--to-step', '3'])).stdout).toContain('step 3 of 3')
    expect((await stage.run(['promote', service, '--full'])).code).toBe(0)
    await until(async () => (await stage.newest(service)).state === 'Watching')
    const { code, stderr } = await stage.run(['approve', service])
    expect([code, stderr]).toEqual([1, expect.stringContaining('waits at no gate (Watching)')])
  })

  test('a write that waits says what is in flight where; after Ctrl-C, that it stands', async () => {
    const service = await stage.service('busy')
    await stage.atGate(service, [{ setWeight: 100 }, { pause: {} }])
    stage.hold(service)
    await until(async () => (await stage.done('GET', `/api/services/${service}`)).pools[1].inFlight === 1)
    const aborting = stage.begin(['abort', service, '--wait', '30s'])
    await aborting.said(/in force: green has 1 request in flight/)
    aborting.process.kill('SIGINT')
    const { code, stderr } = await aborting.ended
    expect([code, stderr]).toEqual([130, expect.stringMatching(/Interrupted\. The change stands \(revision \d+\)/)])
    const late = await stage.run(['abort', service, '--wait', '1s'])
    expect([late.code, late.stderr]).toEqual([1, expect.stringMatching(/has ended/)])
    stage.release()
  })

  test('with several addresses, a write whose answer is lost is not made twice', async () => {
    const service = await stage.service('several')
    await stage.atGate(service, [{ pause: {} }, { pause: {} }, { pause: {} }, { pause: {} }])
    // Passes requests on, and breaks the connection in place of the answer to a write.
    let swallowed = 0
    const deaf = http.createServer((request, response) => {
      const { method, url, headers } = request
      const passed = http.request(`${stage.cutover.admin}${url}`, { method: method ?? '', headers }, (answer) => {
        if (method === 'GET') return answer.pipe(response.writeHead(answer.statusCode ?? 0, answer.headers))
        swallowed++
        return answer.resume().once('end', () => response.destroy())
      })
      request.pipe(passed)
    })
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(deaf.address() as AddressInfo).port}`
    const env = { CUTOVER_ADMIN: `${url}, ${stage.cutover.admin}` }
    const { code, stderr } = await stage.run(['skip', service], env)
    deaf.closeAllConnections()
    deaf.close()
    expect([code, stderr, swallowed]).toEqual([0, '', 1])
    await until(async () => (await stage.newest(service)).reason === 'Gate')
    expect((await stage.newest(service)).step.index).toBe(2)
  })
})

describe('list and get', () => {
  test('lists rollouts, newest first, as a table and as JSON; NO_COLOR and a pipe have no colours', async () => {
    const service = await stage.service('listed')
    const none = await stage.run(['list', service])
    expect(none).toEqual({ code: 0, stdout: '', stderr: 'listed has no rollout.\n' })
    const missing = await stage.run(['get', service])
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('cutover rollout start listed')])
    const first = await stage.atGate(service, GATE)
    await stage.done('POST', `/api/services/${service}/rollouts`, { steps: GATE, concurrency: 'replace' })
    const { stdout } = await stage.run(['list', service])
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(/^ID +FROM +TO +STATE +STEP +WEIGHT +STARTED +BY$/)
    expect(lines[2]).toMatch(new RegExp(`^${first} +blue +green +✖ Superseded +2/2 +0 % +.* ago +ann$`))
    const json = JSON.parse((await stage.run(['list', service, '--json'])).stdout)
    expect(json.rollouts.map(({ id }: { id: string }) => id)[1]).toBe(first)
    const shown = JSON.parse((await stage.run(['get', service, first, '--json'])).stdout)
    expect(shown).toMatchObject({ revision: expect.any(Number), rollout: { id: first, state: 'Superseded' } })
  })

  test.for([[[]], [['--json']]])('get -w %j prints a line per change until it has ended', async ([options]) => {
    const service = await stage.service(`watched${options?.length}`)
    await stage.atGate(service, GATE)
    const watching = stage.begin(['get', service, '-w', ...(options ?? [])])
    await until(async () => watching.stdout.includes('Gate'))
    await stage.run(['abort', service, '--reason', 'seen enough'])
    const { code, stdout } = await watching.ended
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    const [first = '', last = ''] = [lines[0], lines.at(-1)]
    if (options?.length === 1) {
      expect(JSON.parse(first).rollout).toMatchObject({ state: 'Paused', reason: 'Gate' })
      expect(JSON.parse(last).rollout).toMatchObject({ state: 'Aborted', reason: 'Manual' })
    } else {
      expect(first).toMatch(/^\S+Z {2}watched0 r\d+ Paused \(Gate\); step 2 of 2, 10 %; gate qa waits/)
      expect(last).toMatch(/Aborted \(Manual\).*aborted by ann: seen enough$/)
    }
  })
})

describe('lint', () => {
  test('says what each step can find by the traffic of now, and changes nothing', async () => {
    const service = await stage.service('linted')
    const stop = stage.load(service)
    const findable = async (duration: string): Promise<number> => {
      const { code, stdout } = await stage.run(['lint', service, '--set-weight', '20', '--step-duration', duration])
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^linted: blue → green, steps\. Nothing is changed/)])
      return Number(
        /^ +3\. +analysis \w+ +at 20 % finds a canary that fails ([\d.]+) times .* % of its/m.exec(stdout)?.[1],
      )
    }
    await until(async () => (await findable('1m')) > 0)
    const [short, long] = [await findable('1m'), await findable('1h')]
    expect(short).toBeGreaterThan(long)
    const dry = await stage.run(['start', service, '--dry-run', '--strategy', 'blueGreen'])
    expect(dry.stdout).toContain('No step compares the pools')
    stop()
    expect((await stage.done('GET', `/api/services/${service}/rollouts`)).rollouts).toEqual([])
  })

  test('names all mistakes of a file: those of YAML with their lines, the others with their paths', async () => {
    const service = await stage.service('mistaken')
    const yaml = await stage.file('no.yaml', 'steps: [\n  { setWeight: 5 }\nwatch: 1: 2\n')
    const broken = await stage.run(['lint', service, '-f', yaml])
    expect([broken.code, broken.stderr]).toEqual([2, expect.stringMatching(/no\.yaml:\d+:\d+: \S/)])
    const input = 'steps: [{ setWeight: 300 }, { pauze: {} }]\nsensitivity: high\n'
    const wrong = await stage.run(['lint', service, '-f', '-'], {}, input)
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('  steps[0].setWeight: expected')
    expect(wrong.stderr).toContain('  steps[1].pauze: unknown key "pauze"; did you mean "pause"?')
    expect((await stage.run(['lint', service, '-f', 'none.yaml'])).stderr).toBe(
      'error: cannot read none.yaml: there is no such file\n',
    )
  })
})

describe.concurrent('what cannot be done', () => {
  test('an unknown service: exit code 2, with the nearest name', async () => {
    await stage.service('checkout')
    const { code, stdout, stderr } = await stage.run(['status', 'chekout'])
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining('Did you mean "checkout"?')])
  })

  test('without an answer: exit code 1, with each address and what to do', async () => {
    const { code, stderr } = await stage.run(['list', 'shop'], { CUTOVER_ADMIN: '127.0.0.1:2,http://127.0.0.1:3' })
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: no answer from http:\/\/127\.0\.0\.1:2 .*:3 /)])
    expect(stderr).toContain('--admin URL or CUTOVER_ADMIN')
  })

  test('without a token: exit code 1, with what to set; --admin comes before CUTOVER_ADMIN', async () => {
    const env = { CUTOVER_TOKEN: '', CUTOVER_ADMIN: 'http://127.0.0.1:2' }
    const { code, stderr } = await stage.run(['list', 'shop', '--admin', stage.cutover.admin], env)
    expect([code, stderr]).toEqual([1, expect.stringContaining('Set CUTOVER_TOKEN')])
  })

  test.for([
    [['start'], "missing required argument 'service'"],
    [['strat', 'shop'], 'Did you mean start?'],
    [['status', 'shop', '--wait', 'soon'], 'Expected a time such as 30s'],
    [['set-weight', 'shop', '101'], 'Expected a percentage'],
    [['start', 'shop', '--strategy', 'canary', '--set-weight', '5'], 'give one of the two'],
    [['list', 'shop', '--admin', 'ftp://x'], 'http://HOST:PORT'],
  ] as const)('%j: exit code 2', async ([args, said]) => {
    const { code, stdout, stderr } = await stage.run(args)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(said)])
  })
})
