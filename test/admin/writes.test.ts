import { describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { curl, problem, useShop } from './support.ts'

const shop = useShop()

describe('switch, shift, rollback', () => {
  test('answer with the revision, the current service, and what is drained; traffic follows', async () => {
    const revision = await shop.revision()
    const { status, headers, body } = await shop.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
    expect(status).toBe(200)
    expect(headers.get('etag')).toBe(`"${revision + 1}"`)
    const service = { ...(await shop.view()), pools: expect.anything() }
    const times = { applied: expect.any(Number), idle: expect.any(Number) }
    expect(body).toEqual({ revision: revision + 1, changed: true, drained: ['blue'], cut: 0, times, service })
    expect(body.service).toMatchObject({ revision: revision + 1, split: { blue: 0, green: 100 } })
    await shop.answeredBy('green1', 'green2')
    expect((await shop.done('POST', '/api/services/shop/rollback?wait=10s')).drained).toEqual(['green'])
    await shop.answeredBy('blue1', 'blue2')
  })

  test('a shift that leaves every pool a share drains nothing, and its answer has no `drained`', async () => {
    const body = await shop.done('POST', '/api/services/shop/shift', { to: 'green', percent: 12.34 })
    expect(Object.keys(body).toSorted()).toEqual(['changed', 'revision', 'service'])
    expect(body.service.split).toEqual({ blue: 87.66, green: 12.34 })
  })

  test('T13: two rollbacks restore the split, and the history has both, with author and reason', async () => {
    await shop.done('POST', '/api/services/shop/shift', { to: 'green', percent: 5 })
    await shop.done('POST', '/api/services/shop/switch', { to: 'green' })
    await shop.done('POST', '/api/services/shop/rollback', { reason: 'errors' })
    expect((await shop.view()).split).toEqual({ blue: 95, green: 5 })
    await shop.done('POST', '/api/services/shop/rollback?reason=false+alarm')
    expect((await shop.view()).split).toEqual({ blue: 0, green: 100 })
    const { history } = await shop.done('GET', '/api/services/shop/history?limit=2')
    const rollback = { action: 'rollback', by: 'local' }
    expect(history).toMatchObject([
      { ...rollback, reason: 'false alarm', from: { blue: 95, green: 5 }, to: { green: 100 } },
      { ...rollback, reason: 'errors', from: { green: 100 }, to: { blue: 95, green: 5 } },
    ])
  })

  test('a rollback may name the revision to return to', async () => {
    const { revision } = await shop.done('POST', '/api/services/shop/shift', { to: 'green', percent: 5 })
    for (const percent of [25, 50, 75]) await shop.done('POST', '/api/services/shop/shift', { to: 'green', percent })
    await shop.done('POST', '/api/services/shop/rollback', { revision })
    expect((await shop.view()).split).toEqual({ blue: 95, green: 5 })
    const answer = await shop.api('POST', '/api/services/shop/rollback', { revision: 0 })
    problem(answer, 409, 'Does not fit the state')
  })

  test('a command that changes nothing makes no revision, and says so', async () => {
    await shop.done('POST', '/api/services/shop/switch', { to: 'green' })
    const revision = await shop.revision()
    for (const [path, body] of [
      ['services/shop/switch', { to: 'green' }],
      ['services/shop/shift', { to: 'green', percent: 100 }],
      ['services/shop/shift', { split: { green: 100, blue: 0 } }],
      ['services/shop/rollback', { revision }],
      ['servers/blue1/enable', {}],
    ] as const) {
      const answer = await shop.api('POST', `/api/${path}`, body)
      expect([path, answer.status, answer.body.changed, answer.body.revision]).toEqual([path, 200, false, revision])
      expect(answer.headers.get('etag')).toBe(`"${revision}"`)
    }
    await shop.done('PUT', '/api/services/shop', shop.definition())
    await shop.done('PATCH', '/api/services/shop', { health: { interval: '20ms' } })
    await shop.done('PATCH', '/api/servers/blue1', { weight: null, state: 'ready' })
    expect(await shop.revision()).toBe(revision)
    expect((await shop.lastEntry()).revision).toBe(revision)
  })
})

describe('If-Match', () => {
  const shift = (percent: number, etag: string) =>
    shop.api('POST', '/api/services/shop/shift', { to: 'green', percent }, { 'if-match': etag })
  const etag = async () => (await shop.api('GET', '/api/services/shop')).headers.get('etag') ?? ''

  test('S3: of two writers with the same revision, exactly one succeeds, every time', async () => {
    for (let round = 1; round <= 20; round++) {
      const seen = await etag()
      const answers = await Promise.all([shift(round, seen), shift(round + 0.5, seen)])
      const [won, ...others] = answers.toSorted((a, b) => a.status - b.status)
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 412])
      expect((await shop.view()).split).toEqual(won?.body.service.split)
      expect(others[0]?.body).toMatchObject({ expected: Number(JSON.parse(seen)), actual: won?.body.revision })
    }
  })

  test('of ten writers without a revision, all succeed, one after the other', async () => {
    const revision = await shop.revision()
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        shop.api('POST', '/api/services/shop/shift', { to: 'green', percent: i + 1 }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
    const revisions = answers.map(({ body }) => body.revision).toSorted((a, b) => a - b)
    expect(revisions).toEqual(Array.from({ length: 10 }, (_, i) => revision + 1 + i))
  })

  test('a stale one changes nothing and says what to do, even if nothing would change', async () => {
    const seen = await etag()
    await shop.done('POST', '/api/services/shop/switch', { to: 'green' })
    const revision = await shop.revision()
    const answer = await shop.api('POST', '/api/services/shop/switch', { to: 'green' }, { 'if-match': seen })
    const { detail } = problem(answer, 412, 'The resource has moved on')
    expect(detail).toBe(
      `If-Match is ${JSON.parse(seen)}, but the resource is at revision ${revision}. Read it again and decide again.`,
    )
    const forced = await shop.api('POST', '/api/services/shop/switch?force', { to: 'blue' }, { 'if-match': seen })
    problem(forced, 412, 'The resource has moved on')
    expect(await shop.revision()).toBe(revision)
  })

  test('ignores changes of other services', async () => {
    const seen = await etag()
    await shop.define({ paths: ['/other'] }, 'other')
    expect((await shift(5, seen)).status).toBe(200)
  })

  test('works for servers and definitions, too, and every write returns an ETag', async () => {
    const seen = await etag()
    const put = await shop.api('PUT', '/api/services/shop', shop.definition({ minReady: 0 }), { 'if-match': seen })
    expect(put.status).toBe(200)
    for (const [method, path, body] of [
      ['POST', '/api/servers/blue1/disable', undefined],
      ['PATCH', '/api/servers/blue1', { weight: 2 }],
      ['PATCH', '/api/services/shop', { minReady: 1 }],
      ['PUT', '/api/services/shop', shop.definition()],
      ['DELETE', '/api/services/shop', undefined],
      ['DELETE', '/api/services/shop/pools/green', undefined],
      ['DELETE', '/api/services/shop/pools/blue/servers/blue1', undefined],
      ['POST', '/api/config/reload', undefined],
    ] as const) {
      problem(await shop.api(method, path, body, { 'if-match': seen }), 412, 'The resource has moved on')
    }
    const current = put.headers.get('etag') ?? ''
    const disabled = await shop.api('POST', '/api/servers/blue1/disable', undefined, { 'if-match': current })
    expect(disabled.status).toBe(200)
  })

  test('a service that was removed meanwhile does not come back by a replacement', async () => {
    const seen = await etag()
    await shop.done('DELETE', '/api/services/shop?force')
    const answer = await shop.api('PUT', '/api/services/shop', shop.definition(), { 'if-match': seen })
    problem(answer, 412, 'The resource has moved on')
    expect((await shop.done('GET', '/api/services')).services).toEqual([])
  })

  test.each(['"42', '42"x', 'abc', '"-1"', '"1.5"', '"1", "2"', ''])('%j is malformed', async (given) => {
    const revision = await shop.revision()
    const { detail } = problem(await shift(5, given), 400, 'Malformed If-Match')
    expect(detail).toContain('a revision as in ETag, such as "42"')
    expect(await shop.revision()).toBe(revision)
  })

  test('weak, bare and any are accepted', async () => {
    const bare = JSON.parse(await etag())
    expect((await shift(1, bare)).status).toBe(200)
    expect((await shift(2, `W/${await etag()}`)).status).toBe(200)
    expect((await shift(3, '*')).status).toBe(200)
  })
})

describe('force and reason', () => {
  test('T8: a change that would leave too few servers is refused with their number; nothing is changed', async () => {
    const revision = await shop.revision()
    for (const name of ['green1', 'green2'] as const) shop.server(name).health = 503
    await until(async () => (await shop.view()).pools[1].up === 0)
    const answer = await shop.api('POST', '/api/services/shop/switch', { to: 'green' })
    expect(problem(answer, 409, 'Would break a promise').detail).toBe(
      'Pool green would serve 100 % of shop with 0 of its 2 servers up, fewer than minReady (1): ' +
        'green1 is down (status 503), green2 is down (status 503). To do it nevertheless, send {"force": true}.',
    )
    expect(await shop.revision()).toBe(revision)
  })

  test.each([
    ['in the body', '', { force: true, reason: 'emergency' }],
    ['in the query', '?force=true&reason=emergency', undefined],
    ['in the query, bare', '?force&reason=emergency', { to: 'green' }],
    ['in both', '?force=false&reason=forgotten', { force: true, reason: 'emergency' }],
  ])('%s does it, and both are recorded', async (_where, query, body) => {
    for (const name of ['green1', 'green2'] as const) shop.server(name).health = 503
    await until(async () => (await shop.view()).pools[1].up === 0)
    await shop.done('POST', `/api/services/shop/switch${query}`, body)
    expect(await shop.lastEntry()).toMatchObject({ action: 'switch', forced: true, reason: 'emergency' })
    expect((await shop.view()).split.green).toBe(100)
  })

  test('work for a removal, too', async () => {
    const path = '/api/services/shop/pools/blue/servers/blue2'
    await shop.done('POST', '/api/servers/blue1/disable')
    problem(await shop.api('DELETE', path), 409, 'Would break a promise')
    problem(await shop.api('DELETE', `${path}?force=false`), 409, 'Would break a promise')
    await shop.done('DELETE', path, { force: true, reason: 'broken disk' })
    expect(await shop.lastEntry()).toMatchObject({ action: 'delete server', forced: true, reason: 'broken disk' })
  })

  test('a reason does not imply force', async () => {
    await shop.done('POST', '/api/services/shop/switch?force=false', {
      to: 'green',
      force: false,
      reason: 'release 42',
    })
    expect(await shop.lastEntry()).toMatchObject({ forced: false, reason: 'release 42' })
  })
})

describe('invalid values are refused, all at once, with their paths', () => {
  test.each([
    ['switch', { to: 5, drain: '2', foo: 1 }, ['foo', 'to', 'drain']],
    ['switch?wait=30&force=maybe&x=1', {}, ['x', 'wait', 'force']],
    ['switch?wait=2h', {}, ['wait']],
    ['switch?wait=1s&wait=2s', {}, ['wait']],
    ['switch?pool=green', {}, ['pool']],
    ['switch', [], ['']],
    ['switch', 'green', ['']],
    ['switch', { reason: 'two\nlines' }, ['reason']],
    ['shift', {}, ['to']],
    ['shift', { to: 'green' }, ['percent']],
    ['shift', { percent: 5 }, ['to']],
    ['shift', { to: 'green', percent: '5' }, ['percent']],
    ['shift', { to: 'green', percent: -1 }, ['percent']],
    ['shift', { to: 'green', percent: 100.001 }, ['percent']],
    ['shift', { to: 'green', percent: 5, split: { blue: 100 } }, ['split']],
    ['shift', { split: { blue: 0, green: 0 } }, ['split']],
    ['shift', { split: { blue: 60, green: 60 } }, ['split']],
    ['shift', { split: { blue: '50', gren: 50, green: 1.234 } }, ['split.blue', 'split.gren', 'split.green']],
    ['shift', { split: 5 }, ['split']],
    ['shift', { split: null, percent: 1, to: 'green', more: 1 }, ['more']],
    ['rollback', { revision: -1 }, ['revision']],
    ['rollback', { revision: '7', when: 'now' }, ['when', 'revision']],
  ])('%s %j', async (path, body, paths) => {
    const revision = await shop.revision()
    const { problems, detail } = problem(
      await shop.api('POST', `/api/services/shop/${path}`, body),
      422,
      'Invalid value',
    )
    expect(problems.map((each: { path: string }) => each.path)).toEqual(paths)
    for (const { path: at, message } of problems) expect(detail).toContain(at === '' ? message : `${at}: ${message}`)
    expect(await shop.revision()).toBe(revision)
  })

  test('1e999 is no percentage', async () => {
    const answer = await curl(
      '--json',
      '{"to": "green", "percent": 1e999}',
      `${shop.cutover.admin}/api/services/shop/shift`,
    )
    expect(answer.status).toBe(422)
    expect((await shop.view()).split).toEqual({ blue: 100, green: 0 })
  })

  test('an unknown pool in a command is refused with the nearest name', async () => {
    const { detail } = problem(await shop.api('POST', '/api/services/shop/switch', { to: 'gren' }), 404, 'Unknown pool')
    expect(detail).toContain('Did you mean "green"?')
  })
})

describe('curl', () => {
  const post = async (path: string, ...args: string[]) => curl('-X', 'POST', `${shop.cutover.admin}${path}`, ...args)

  test('the lines of the classic rolling script, without body and headers', async () => {
    for (const server of ['blue1', 'blue2']) {
      const out = await post(`/api/servers/${server}/disable`)
      expect(out.status).toBe(200)
      expect(JSON.parse(out.body)).toMatchObject({ changed: true, servers: [{ name: server, state: 'drain' }] })
      await until(async () => (await shop.done('GET', `/api/servers/${server}`)).servers[0].drained)
      await shop.answeredBy(server === 'blue1' ? 'blue2' : 'blue1')
      const back = await post(`/api/servers/${server}/enable`)
      expect(back.status).toBe(200)
      expect(JSON.parse(back.body)).toMatchObject({ changed: true, servers: [{ name: server, state: 'ready' }] })
      await shop.answeredBy('blue1', 'blue2')
    }
  })

  test('drain is another name for disable', async () => {
    const out = JSON.parse((await post('/api/servers/blue1/drain?wait=10s')).body)
    expect(out).toMatchObject({ changed: true, drained: ['blue1'], servers: [{ state: 'drain', drained: true }] })
    expect(JSON.parse((await post('/api/servers/blue1/disable')).body).changed).toBe(false)
  })

  test('a switch without a body goes to the other pool, a rollback without a body goes back', async () => {
    expect(JSON.parse((await post('/api/services/shop/switch')).body).service.split).toEqual({ blue: 0, green: 100 })
    expect(JSON.parse((await post('/api/services/shop/rollback')).body).service.split).toEqual({ blue: 100, green: 0 })
  })

  test('with --json, with an empty body of any type, and with -f for failures', async () => {
    expect((await post('/api/services/shop/shift', '--json', '{"to":"green","percent":5}')).status).toBe(200)
    expect((await post('/api/services/shop/rollback', '-d', '')).status).toBe(200)
    expect((await post('/api/services/shop/switch', '--json', '')).status).toBe(200)
    await expect(post('/api/services/nothing/switch', '-f')).rejects.toMatchObject({ code: 22 })
  })

  test('-d without a type says how to send JSON, and changes nothing', async () => {
    const { status, body } = await post('/api/services/shop/switch', '-d', '{"to":"green"}')
    expect([status, JSON.parse(body).detail]).toEqual([
      415,
      "The body must be JSON, not application/x-www-form-urlencoded: send -H 'content-type: application/json', or use curl --json.",
    ])
    expect((await shop.view()).split).toEqual({ blue: 100, green: 0 })
  })
})
