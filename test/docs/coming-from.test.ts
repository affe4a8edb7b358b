import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config/load.ts'
import { ROOT } from '../library/program.ts'

const PAGES = globSync('docs/{coming-from-*,beside-*}.md', { cwd: ROOT }).toSorted()

/** The configurations of Cutover on these pages; those of others have keys of theirs. */
const configurations = PAGES.flatMap((page) =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^```yaml\n(.*?)^```/gms)]
    .map(([, text = '']) => text)
    .filter((text) => !text.startsWith('# Traefik'))
    .map((text, i) => [`${page}, ${i + 1}`, text] as const),
)

test('each page has a configuration, or needs none', () => {
  expect(PAGES.length).toBeGreaterThanOrEqual(5)
  expect(configurations.length).toBeGreaterThanOrEqual(4)
})

test.each(configurations)('%s is a configuration that can be used', (_page, text) => {
  const parsed = parseConfig(text, { CUTOVER_TOKEN: 'token-of-a-person' }, 'page')
  expect(parsed.ok ? [] : parsed.problems).toEqual([])
  expect(Object.keys(parse(text)).length).toBeGreaterThan(0)
})
