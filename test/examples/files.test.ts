import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problems.ts'
import { checkRollout } from '../../src/config/rollout-spec.ts'
import { EXAMPLES } from './stage.ts'

const FILES = readdirSync(EXAMPLES, { recursive: true })
  .map(String)
  .filter((file) => statSync(join(EXAMPLES, file)).isFile())
const SECRETS = {
  CUTOVER_TOKEN: 'a-token-of-the-test',
  CUTOVER_FLEET_TOKEN: 'another-token',
  CUTOVER_REDIS: 'redis://redis:6379',
}
const read = (file: string) => readFileSync(join(EXAMPLES, file), 'utf8')

test.each(FILES.filter((file) => file.endsWith('cutover.yaml') && !file.startsWith('kubernetes')))(
  '%s is a configuration that can be used',
  async (file) => {
    const loaded = await loadConfig(join(EXAMPLES, file), SECRETS)
    expect(loaded.ok ? [] : loaded.problems.map(formatProblem)).toEqual([])
  },
)

test.each(FILES.filter((file) => file.endsWith('rollout.yaml')))('%s is a rollout that can be asked for', (file) => {
  const checked = checkRollout(parse(read(file)), {}, 2)
  expect(checked.ok ? [] : checked.problems).toEqual([])
})

test.each(FILES.filter((file) => file.endsWith('.sh')))('%s can be executed, and says what it is for', (file) => {
  expect(statSync(join(EXAMPLES, file)).mode & 0o111).not.toBe(0)
  expect(read(file)).toMatch(/^#!\/bin\/(ba)?sh\n# \w.*(\.|0)\n|^#!\/bin\/(ba)?sh\n# \w/)
})

describe('README files', () => {
  test('that of examples/ names every folder', () => {
    const folders = readdirSync(EXAMPLES).filter((name) => statSync(join(EXAMPLES, name)).isDirectory())
    const named = [...read('README.md').matchAll(/^\| \[([\w-]+)\]\(\1\)/gm)].map(([, name]) => name)
    expect(named.toSorted()).toEqual(folders.toSorted())
  })

  test.each(FILES.filter((file) => file.endsWith('.md')))('the links of %s lead to files', (file) => {
    const folder = join(EXAMPLES, file, '..')
    for (const [, target = ''] of read(file).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g))
      expect([target, statSync(join(folder, target), { throwIfNoEntry: false }) !== undefined]).toEqual([target, true])
  })
})
