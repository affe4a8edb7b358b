// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment look like that.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Config } from '../../src/config/config.ts'
import { loadConfig, parseConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problems.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cutover-config-'))
})
afterAll(() => rm(directory, { recursive: true }))

const SERVICE = 'pools: {blue: {servers: {a: "http://a:1"}}}'

function config(text: string, env = {}): Config {
  const checked = parseConfig(text, env, 'cutover.yaml')
  if (!checked.ok) throw new Error(checked.problems.map(formatProblem).join('\n'))
  return checked.config
}

function problems(text: string, env = {}): readonly string[] {
  const checked = parseConfig(text, env, 'cutover.yaml')
  return checked.ok ? [] : checked.problems.map(formatProblem)
}

test('the sample of the specification is accepted', async () => {
  const checked = await loadConfig(join(import.meta.dirname, 'spec-sample.yaml'), {})
  expect(checked.ok || checked.problems).toBe(true)
})

test('a name that YAML would read as a different number is refused, with its line', () => {
  const text = `services:
  shop:
    pools:
      1.9: { servers: { 1: "http://a:1", 007: "http://a:2" } }
      1.10: { servers: { a: "http://a:3" } }
    split: { 1.10: 100 }
`
  expect(problems(text)).toEqual([
    'cutover.yaml:4:42: the key 007 is read as the number 7; put it in quotes: "007"',
    'cutover.yaml:5:7: the key 1.10 is read as the number 1.1; put it in quotes: "1.10"',
    'cutover.yaml:6:14: the key 1.10 is read as the number 1.1; put it in quotes: "1.10"',
  ])
  const quoted = text.replaceAll('1.10', '"1.10"').replace('007', '"007"')
  expect(Object.keys(config(quoted).services.shop?.pools as object).sort()).toEqual(['1.10', '1.9'])
})

test('a missing file is named', async () => {
  const file = join(directory, 'none.yaml')
  expect(await loadConfig(file, {})).toEqual({
    ok: false,
    problems: [{ path: '', message: `cannot read ${file}: there is no such file` }],
  })
})

test('JSON is read as well, with tabs and $schema', async () => {
  const file = join(directory, 'cutover.json')
  await writeFile(file, JSON.stringify({ $schema: 'x', proxy: { listen: ':81' } }, null, '\t'))
  expect(await loadConfig(file, {})).toMatchObject({ ok: true, config: { proxy: { listen: [{ port: 81 }] } } })
})

test.for(['', '# nothing\n', '{}', 'proxy:\nservices:\n'])('%j is a proxy without services', (text) => {
  expect(config(text).services).toEqual({})
})

describe('invalid YAML is reported with line and column', () => {
  test.for<[string, string]>([
    ['proxy: {}\nadmin: {}\nproxy: {}', 'cutover.yaml:3:1: key "proxy" is there twice'],
    ['a: [1', 'cutover.yaml:1:6: '],
    ['proxy: {}\n---\nadmin: {}', 'cutover.yaml:2:1: only one document may be in the file'],
    ['store: {path: !env HOME}', 'cutover.yaml:1:15: Unresolved tag'],
    ['store: *nowhere', 'cutover.yaml: Unresolved alias'],
  ])('%j', ([text, problem]) => {
    expect(problems(text)).toEqual([expect.stringContaining(problem)])
  })

  test('with all errors at once', () => {
    expect(problems('store: {path: a, path: b}\nadmin: {}\nadmin: {}')).toHaveLength(2)
  })
})

describe('anchors', () => {
  test('may live under x- keys, with merges', () => {
    const text = `
x-defaults: &defaults {drain: {timeout: 1m}, minReady: 2}
services:
  a: {<<: *defaults, ${SERVICE}, hosts: [a]}
  b: {<<: *defaults, ${SERVICE}, hosts: [b], minReady: 0}
`
    expect(config(text).services).toMatchObject({
      a: { drain: { timeout: '1m' }, minReady: 2 },
      b: { drain: { timeout: '1m' }, minReady: 0 },
    })
  })

  test('that are not used may name unset variables', () => {
    expect(problems('x-a: ${NOWHERE}')).toEqual([])
  })

  test('that multiply without end are refused quickly', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i}: &l${i} [${i === 0 ? 'x' : `*l${i - 1}`}${`, *l${Math.max(0, i - 1)}`.repeat(i === 0 ? 0 : 9)}]`,
    )
    // Time of this process, not of the wall: other tests run beside this one.
    const started = process.cpuUsage()
    expect(problems(`x-bomb:\n  ${levels.join('\n  ')}\nservices: *l11`)).toHaveLength(1)
    expect(
      problems(
        `x-a: &a [${'x,'.repeat(5000)}]\nservices: {${Array.from({ length: 500 }, (_, i) => `s${i}: *a`).join(', ')}}`,
      )[0],
    ).toBe('has too many values after its aliases are expanded')
    expect(process.cpuUsage(started).user).toBeLessThan(5_000_000)
  })

  test('that contain themselves, and nesting without end, are refused', () => {
    expect(problems('services: &s {shop: *s}')[0]).toBe('services.shop: contains itself through an alias')
    expect(problems(`services: ${'{a: '.repeat(100)}${'}'.repeat(100)}`)[0]).toMatch(/nested more than 64 levels deep$/)
    expect(problems('['.repeat(100_000))).not.toEqual([])
  })
})

describe('the environment', () => {
  test('fills in names, defaults and escaped dollars', () => {
    const text = `
store: {path: "\${ROOT}/data-\${STAGE:-test}-$\${ROOT}-$5"}
admin: {hosts: ["\${EMPTY:-a.example}"]}
`
    const { store, admin } = config(text, { ROOT: '/var', EMPTY: '' })
    expect(store.path).toBe('/var/data-test-${ROOT}-$5')
    expect(admin.hosts).toEqual(['a.example'])
  })

  test('is text or another scalar, as the key requires', () => {
    const text = `
proxy: {workers: "\${WORKERS}", accessLog: "\${LOG:-off}"}
services:
  shop:
    pools: {blue: {version: "\${VERSION}", servers: {a: {url: "http://\${HOST}:\${PORT:-9000}", weight: "\${WEIGHT:-2}"}}}}
    split: {blue: "\${SHARE:-100}"}
    stripPrefix: \${STRIP:-true}
    timeouts: {response: "\${RESPONSE:-0}"}
    health: {body: "\${BODY:-true}", expect: "\${EXPECT:-204}"}
`
    const env = { WORKERS: '0', VERSION: '1.10', HOST: 'a' }
    expect(config(text, env).services).toEqual({
      shop: {
        pools: { blue: { version: '1.10', servers: { a: { url: 'http://a:9000', weight: 2 } } } },
        split: { blue: 100 },
        stripPrefix: true,
        timeouts: { response: 0 },
        health: { body: 'true', expect: '204' },
      },
    })
  })

  test('with an empty variable does not mean the default, unless the reference has one', () => {
    const text = 'proxy: {workers: "${W}", limits: {bodyBytes: "${B:-2mb}"}}\nstore: {redis: "${R}"}'
    expect(problems(text, { W: '', B: '', R: '' })).toEqual([
      'proxy.workers: expected auto, or a whole number from 0 to 1024, got ""',
    ])
    const { proxy, store } = config(text, { W: '0', B: '', R: '' })
    expect([proxy.limits.bodyBytes, store.redis]).toEqual([2_097_152, null])
    expect(config(text, { W: '~', R: '' }).proxy.workers).toBe('auto')
  })

  test.each([
    ['proxy: { workers: ${W:-2} }', '1:19', 'W'],
    ['proxy: { workers: ${W}, listen: ":1" }', '1:19', 'W'],
    ['services:\n  shop:\n    hosts: [a.b, ${HOST:-s3cret}]\n', '3:18', 'HOST'],
    ['admin: { tokens: [{ token: ${TOKEN:-s3cret} }] }', '1:28', 'TOKEN'],
  ])('%j: inside braces it needs quotes, and the message says so', (text, at, name) => {
    const message = `put the value with \${${name}…} in quotes; inside { } and [ ], YAML reads its brace as a mapping`
    expect(problems(text, { W: '2' })).toEqual([expect.stringContaining(`:${at}: ${message}`)])
  })

  test('cannot change the structure', () => {
    expect(problems('services: ${S}', { S: '{a: {pools: {b: {}}}}' })).toEqual([
      'services: expected services by name, such as {shop: {pools: {…}}}, got "{a: {pools: {b: {}}}}"',
    ])
    expect(config('store: {path: "${P}"}', { P: 'x\nproxy: {}' }).store.path).toBe('x\nproxy: {}')
  })

  test('without a variable is a problem, reported with all others and without consequential ones', () => {
    const text = `
store: {path: "\${DATA}"}
admin: {hosts: ["\${HOSTNAME_OF_ADMIN}"]}
proxy: {workers: "\${WORKERS}", listen: nowhere}
`
    expect(problems(text, { WORKERS: '0' })).toEqual([
      'store.path: needs the environment variable DATA, which is not set',
      'admin.hosts[0]: needs the environment variable HOSTNAME_OF_ADMIN, which is not set',
      'proxy.listen: expected an address such as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path, got "nowhere"',
    ])
    expect(problems('store: {path: "${constructor}"}')[0]).toMatch(/needs the environment variable constructor/)
  })

  test.for(['${', '${NAME', '${1X}', '${A-b}', '${A:-${B}}', '${}'])('%s is refused', (reference) => {
    expect(problems(`store: {path: '${reference}'}`, { A: 'a', B: 'b' })[0]).toMatch(
      /^store\.path: has a \$\{ that is not/,
    )
  })
})

test.each([
  '>s3cret',
  '|s3cret',
  '*s3cret',
  '!s3cret',
  '"s3cret"s3cret',
  '}s3cret',
  '{s3cret',
  's3cret: s3cret',
  ',s3cret',
])('a secret that YAML takes for something else is not repeated: %s', (text) => {
  const found = problems(`fleet:\n  token: ${text}\nservices: {}\n`)
  expect(found).not.toEqual([])
  expect(found.join()).not.toContain('s3cret')
})
