import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importFrom, type Source, Unreadable } from '../../src/import/import.ts'

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

/** A line of nothing but a comment, a brace or the begin of a block. */
const MARKS = /^\s*([#{}].*|\}|\]|)$/

test.each(['nginx-blue-green.conf', 'nginx-canary.conf', 'haproxy-defaults.cfg', 'traefik-compose.yaml'])(
  'every line of %s counts: without it, the configuration or the list is another',
  async (name) => {
    const source = name.split(/[-.]/)[0] as Source
    const lines = readFileSync(join(FILES, name), 'utf8').split('\n')
    const outcome = (text: string): string => {
      try {
        const { yaml, report } = importFrom(source, name, text)
        return `${yaml}${report.remarks.map(({ kind, statement, why }) => `${kind} ${statement.text} ${why}\n`).join('')}`
      } catch (error) {
        if (error instanceof Unreadable) return error.message
        throw error
      }
    }
    const whole = outcome(lines.join('\n'))
    const idle = lines.filter((line, index) => !MARKS.test(line) && outcome(lines.with(index, '').join('\n')) === whole)
    await expect(`${idle.map((line) => line.trim()).join('\n')}\n`).toMatchFileSnapshot(`expected/${name}.idle.txt`)
  },
)
