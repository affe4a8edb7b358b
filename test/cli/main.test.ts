import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { type Ran, ROOT, runCutover } from './support.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Runs `cutover` to its end. */
const cutover = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  runCutover(args, { env, cwd: folder })

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

describe('cutover check', () => {
  test.concurrent('says that a good file is fine', async () => {
    const good = await file(
      'good.yaml',
      'services:\n  shop:\n    pools: { blue: { servers: { a: "http://10.0.0.1:1" } } }\n',
    )
    expect(await cutover(['check', good])).toEqual({ code: 0, stdout: `${good} is fine: 1 service\n`, stderr: '' })
    const json = await file('good.json', '{"services": {}}')
    expect(await cutover(['check', json])).toEqual({ code: 0, stdout: `${json} is fine: 0 services\n`, stderr: '' })
  })

  test.concurrent('notes where a split is missing that only a service that runs already may go without', async () => {
    const pools = '{ blue: { servers: { a: "http://h:1" } }, green: {} }'
    const path = await file('two-pools.yaml', `services:\n  shop:\n    pools: ${pools}\n`)
    const { code, stdout, stderr } = await cutover(['check', path])
    expect([code, stdout]).toEqual([0, `${path} is fine: 1 service\n`])
    expect(stderr).toContain('note: services.shop.split is missing; say which pool gets the traffic')
  })

  test.concurrent('has nothing against the example', async () => {
    expect((await cutover(['check', join(ROOT, 'config/cutover.yaml')])).code).toBe(0)
  })

  test.concurrent('names everything that is wrong with its path, on standard error, and ends with 2', async () => {
    const bad = await file(
      'bad.yaml',
      `
prxy: {}
proxy: { listen: nowhere, workers: four }
admin: { listen: "0.0.0.0:9900" }
shutdown: { timeout: 5 }
services:
  shop:
    balence: x
    pools: { blue: { servers: { a: "ftp://h" } } }
    split: { blue: 50 }
`,
    )
    const { code, stdout, stderr } = await cutover(['check', bad])
    expect([code, stdout]).toEqual([2, ''])
    const lines = stderr.trimEnd().split('\n')
    expect(lines.at(-1)).toBe(`${bad} has 8 problems`)
    expect(lines.slice(0, -1).map((line) => line.split(': ')[0])).toEqual(
      expect.arrayContaining([
        'prxy',
        'proxy.listen',
        'proxy.workers',
        'admin.listen',
        'shutdown.timeout',
        'services.shop.balence',
        'services.shop.pools.blue.servers.a',
        'services.shop.split',
      ]),
    )
    expect(stderr).toContain('did you mean "proxy"?')
  })

  test.concurrent('names the line of what is no YAML', async () => {
    const broken = await file('broken.yaml', 'services:\n  shop: {\n')
    const { code, stderr } = await cutover(['check', broken])
    expect([code, stderr]).toEqual([2, expect.stringMatching(/broken\.yaml:\d+:\d+: \S.*\n.* has 1 problem\n$/s)])
  })

  test.concurrent('takes values from the environment, and misses those that are not set', async () => {
    const path = await file(
      'env.yaml',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration takes it from the environment
      'admin: { tokens: [{ name: a, role: read, token: "${CUTOVER_TEST_TOKEN}" }] }\n',
    )
    expect((await cutover(['check', path], { CUTOVER_TEST_TOKEN: 'long-enough' })).code).toBe(0)
    const { code, stderr } = await cutover(['check', path])
    expect([code, stderr]).toEqual([
      2,
      `admin.tokens[0].token: needs the environment variable CUTOVER_TEST_TOKEN, which is not set\n${path} has 1 problem\n`,
    ])
  })

  test.concurrent('without a file, or with one that is not there, ends with 2', async () => {
    const none = await cutover(['check'])
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("missing required argument 'file'")])
    const missing = await cutover(['check', 'nowhere.yaml'])
    expect([missing.code, missing.stderr]).toEqual([
      2,
      'cannot read nowhere.yaml: there is no such file\nnowhere.yaml has 1 problem\n',
    ])
  })
})

describe('cutover run', () => {
  test.concurrent('without a configuration ends with 2', async () => {
    const { code, stderr } = await cutover(['run'], { CUTOVER_CONFIG: '' })
    expect([code, stderr]).toEqual([2, expect.stringContaining("required option '-c, --config <file>' not specified")])
  })

  test.concurrent('with one that is not there, or cannot be used, starts nothing and ends with 2', async () => {
    const missing = await cutover(['run', '--config', 'nowhere.yaml'])
    expect(missing).toEqual({
      code: 2,
      stdout: '',
      stderr: 'cannot read nowhere.yaml: there is no such file\nnowhere.yaml cannot be used; nothing was started\n',
    })
    const bad = await file('unusable.yaml', 'services: { shop: {} }\n')
    const { code, stdout, stderr } = await cutover(['run', '-c', bad])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('services.shop.pools: is missing')
    expect(stderr).toContain('cannot be used; nothing was started')
  })
})

describe('cutover', () => {
  test.concurrent.each([
    [['--bogus'], "unknown option '--bogus'"],
    [['check', '--bogus', 'x.yaml'], "unknown option '--bogus'"],
    [['run', '-c', 'x.yaml', '--bogus'], "unknown option '--bogus'"],
    [['check', 'a.yaml', 'b.yaml'], 'too many arguments'],
    [['chekc'], "unknown command 'chekc'"],
    [[], 'Usage: cutover'],
  ])('%j ends with 2', async (args, said) => {
    const { code, stdout, stderr } = await cutover(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
  })

  test.concurrent.each([
    [['--help'], 'Usage: cutover'],
    [['run', '--help'], '--config <file>'],
    [['help', 'check'], 'Usage: cutover check'],
  ])('%j explains and ends with 0', async (args, said) => {
    const { code, stdout, stderr } = await cutover(args)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain(said)
  })

  test.concurrent('--version says which one', async () => {
    expect(await cutover(['--version'])).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' })
  })
})
