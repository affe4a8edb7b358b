import { execFile } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { splitLine } from '../../src/cli/completion/split-line.ts'
import { CliStage } from './cli-stage.ts'
import { ROOT } from './support.ts'

const stage = new CliStage()
beforeAll(async () => {
  await stage.start()
  await stage.service('shop')
  await stage.service('checkout')
})
afterAll(() => stage.stop())

describe('init', () => {
  test('writes a configuration that check accepts, with a schema that is there; never over another without --force', async () => {
    expect(await stage.run(['init'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('cutover check cutover.yaml'),
    })
    const path = join(stage.folder, 'cutover.yaml')
    const text = await readFile(path, 'utf8')
    expect((await stage.run(['check', 'cutover.yaml'])).code).toBe(0)
    const [, schema = ''] = /\$schema=(\S+)/.exec(text) ?? []
    expect((await stat(resolve(dirname(path), schema))).isFile()).toBe(true)
    await writeFile(path, 'mine\n')
    const refused = await stage.run(['init'])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('Overwrite it with --force')])
    expect(await readFile(path, 'utf8')).toBe('mine\n')
    expect((await stage.run(['init', '--force'])).code).toBe(0)
    expect(await readFile(path, 'utf8')).toBe(text)
    const nowhere = await stage.run(['init', 'no/such/folder.yaml'])
    expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining('the folder no/such does not exist')])
  })

  test('keys that are commented out are keys of the configuration', async () => {
    await stage.run(['init', 'all.yaml'])
    const text = await readFile(join(stage.folder, 'all.yaml'), 'utf8')
    // A remark behind a value stays one.
    const uncommented = text.replace(/^( *)# (?=\w+: |tokens:)/gm, '$1').replaceAll(/^( *)# {3}- /gm, '$1  - ')
    await writeFile(join(stage.folder, 'uncommented.yaml'), uncommented)
    const { code, stderr } = await stage.run(['check', 'uncommented.yaml'], { ANNS_TOKEN: 'long-enough-token' })
    expect([code, stderr]).toEqual([0, ''])
    expect(uncommented.split('\n').filter((line) => /^\s*# \w+:/.test(line))).toEqual([])
  })
})

describe('check --diff', () => {
  test('names what differs from what runs, and changes nothing', async () => {
    const { written } = await stage.shop.done('GET', '/api/services/shop/definition')
    const changed = {
      ...written,
      pools: { ...written.pools, green: { ...written.pools.green, version: '1.6.0' } },
      minReady: 1,
    }
    await writeFile(
      join(stage.folder, 'diff.json'),
      JSON.stringify({ services: { shop: changed, cart: { ...written, hosts: ['cart.test'] } } }),
    )
    const { code, stdout } = await stage.run(['check', 'diff.json', '--diff'])
    expect([code, stdout.split('\n').slice(1, -1).toSorted()]).toEqual([
      0,
      [
        '    pools.green.version: 1.5.0 → 1.6.0',
        '+ cart: in the file, and does not run',
        '- checkout: runs, and is not in the file',
        '~ shop: from what runs to the file',
      ],
    ])
    const { diff } = await stage.json('check', 'diff.json', '--diff')
    expect(diff.map(({ service, standing }: Record<string, string>) => [service, standing])).toEqual([
      ['shop', 'differs'],
      ['cart', 'onlyInFile'],
      ['checkout', 'onlyRunning'],
    ])
  })

  test('of the definitions that run: nothing; of a file that cannot be used: its problems', async () => {
    const definitions = await Promise.all(
      ['shop', 'checkout'].map((name) => stage.shop.done('GET', `/api/services/${name}/definition`)),
    )
    const services = Object.fromEntries(definitions.map(({ service, written }) => [service, written]))
    await writeFile(join(stage.folder, 'same.json'), JSON.stringify({ services }))
    const same = await stage.run(['check', 'same.json', '--diff'])
    expect([same.code, same.stdout]).toEqual([0, expect.stringMatching(/What runs has the same definitions\.\n$/)])
    await writeFile(join(stage.folder, 'bad.json'), '{"services": {"shop": {}}}')
    const bad = await stage.run(['check', 'bad.json', '--diff', '--json'])
    expect([bad.code, JSON.parse(bad.stdout)]).toEqual([
      2,
      {
        file: 'bad.json',
        ok: false,
        problems: [{ path: 'services.shop.pools', message: expect.stringContaining('is missing') }],
      },
    ])
  })
})

/** Whatever else runs on this machine. */
const PATIENT = { CUTOVER_COMPLETION_TIMEOUT: '20s' }

describe('completion', () => {
  const complete = async (...words: readonly string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await stage.run(['__complete', '--', ...words], PATIENT)
    expect([code, stderr]).toEqual([0, ''])
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t')[0] ?? '')
  }

  test.concurrent.for([
    [['sw'], ['words', 'switch']],
    [
      ['rollout', 'set'],
      ['words', 'set-weight'],
    ],
    [
      ['switch', ''],
      ['words', 'shop', 'checkout'],
    ],
    [
      ['switch', '--wait', '30s', 'shop', ''],
      ['words', 'blue', 'green'],
    ],
    [
      ['drain', '--service', 'shop', ''],
      ['words', 'blue1', 'blue2', 'green1', 'green2'],
    ],
    [
      ['deploy', 'shop', '--pool', ''],
      ['words', 'blue', 'green'],
    ],
    [
      ['deploy', '--po'],
      ['words', '--pool'],
    ],
    [
      ['top', '--window', ''],
      ['words', '10s', '60s', '5m', '1h'],
    ],
    [
      ['completion', ''],
      ['words', 'bash', 'zsh', 'fish'],
    ],
    [['check', ''], ['files']],
    [['shift', 'shop', 'green', ''], ['words']],
    [['rollout', 'get', 'shop', ''], ['words']],
  ] as const)('%j', async ([words, wanted]) => {
    expect(await complete(...words)).toEqual(wanted)
  })

  test('is silent at once where nobody answers', async () => {
    for (const CUTOVER_ADMIN of ['127.0.0.1:2', 'ftp://x'])
      expect(await stage.run(['__complete', '--', 'switch', ''], { ...PATIENT, CUTOVER_ADMIN })).toEqual({
        code: 0,
        stdout: 'words\n',
        stderr: '',
      })
  })

  test('in a real bash, through the script of completion bash', async () => {
    const main = join(ROOT, 'dist/main.js')
    const script = `
      cutover() { '${process.execPath}' '${main}' "$@"; }
      source <(cutover completion bash)
      complete -p cutover
      for COMP_LINE in "cutover swi" 'cutover deploy shop --reason "two words" --pool ' ; do
        COMP_POINT=\${#COMP_LINE}; COMP_WORDS=(cutover "\${COMP_LINE##* }"); COMP_CWORD=1
        _cutover && echo "\${COMPREPLY[@]}"
      done`
    const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', script], {
      env: { ...process.env, ...PATIENT, CUTOVER_ADMIN: stage.admin },
    })
    expect(stdout).toBe('complete -F _cutover cutover\nswitch\nblue green\n')
  })

  test.for([
    ['cutover switch ', ['cutover', 'switch', '']],
    [`cutover a --reason "two words" 'x y' z\\ w v`, ['cutover', 'a', '--reason', 'two words', 'x y', 'z w', 'v']],
    ['cutover "unfinished bus', ['cutover', 'unfinished bus']],
  ] as const)('splits %j as a shell does', ([line, words]) => expect(splitLine(line)).toEqual(words))

  test.for([
    ['zsh', /^#compdef cutover\n/],
    ['fish', /complete -c cutover -f -a/],
  ] as const)('the script for %s asks the same command', async ([shell, begin]) => {
    const { code, stdout } = await stage.run(['completion', shell])
    expect([code, stdout]).toEqual([0, expect.stringMatching(begin)])
    expect(stdout).toContain('__complete --')
  })
})
