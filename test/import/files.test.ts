import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importFrom, type Source } from '../../src/import/import.ts'

const FILES = join(import.meta.dirname, 'files')

/** Files by their source, the part of their name before the first dash. */
const files = readdirSync(FILES)
  .map((name) => ({ name, source: name.split(/[-.]/)[0] as Source }))
  .filter(({ name }) => /\.(conf|cfg|yaml|toml|caddyfile)$/.test(name))

test.each(files)('$name becomes the expected configuration, which passes `cutover check`', async ({ name, source }) => {
  const path = `test/import/files/${name}`
  const { yaml, report, problems } = importFrom(source, path, readFileSync(join(FILES, name), 'utf8'))
  expect(problems).toEqual([])
  await expect(yaml).toMatchFileSnapshot(`expected/${name}.yaml`)
  await expect(`${report.lines().join('\n')}\n`).toMatchFileSnapshot(`expected/${name}.txt`)
})
