import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../library/program.ts'
import { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'

const page = readFileSync(join(ROOT, 'docs/problems.md'), 'utf8')
const sections = [...page.matchAll(/^### (.+)$/gm)].map(([, title = '']) => title)

/** Titles of problems as the code has them. */
function titlesInCode(): Set<string> {
  const source = globSync('src/**/*.ts', { cwd: ROOT })
    .map((file) => readFileSync(join(ROOT, file), 'utf8'))
    .join('\n')
  const given = [...source.matchAll(/new ApiProblem\(\s*[\w.]+,\s*'([^']+)'/g)].map(([, title = '']) => title)
  const unknown = [...source.matchAll(/\b(?:unknown|unknownProblem)\(\s*'([^']+)'|\bwhat: '([^']+)'/g)]
  const raw = [...source.matchAll(/urn:cutover:problem:[a-z-]+","title":"([^"]+)"/g)].map(([, title = '']) => title)
  const invalid = ['Invalid value', 'Invalid configuration']
  return new Set([...given, ...raw, ...invalid, ...unknown.map(([, a, b]) => `Unknown ${a ?? b}`)])
}

test('each problem has a section, and each section is of a problem', () => {
  expect(sections.toSorted()).toEqual([...titlesInCode()].toSorted())
})

test('each section says the status, and what to do', () => {
  for (const title of sections) {
    const [, text = ''] = page.split(`### ${title}\n\n`)
    expect([title, text.split('\n')[0]]).toEqual([
      title,
      expect.stringMatching(/^\d{3}(–\d{3})?(, while waiting)?\. [\w`]/),
    ])
  }
})

test('an error leads to its section, at the instance that has sent it', async () => {
  const cutover = await Cutover.start({ services: {} })
  atEnd(() => cutover.stop('SIGKILL'))
  const { status, body } = await cutover.api('GET', '/api/services/shp')
  expect([status, body.help]).toEqual([404, '/docs/problems/unknown-service'])
  const section = await cutover.api('GET', body.help)
  expect([section.status, section.headers.get('content-type')]).toEqual([200, 'text/markdown; charset=utf-8'])
  expect(section.body.trim()).toBe('### Unknown service\n\n404. There is no service of this name.')
  expect((await cutover.api('GET', '/docs/problems')).body).toBe(page)
  expect((await cutover.api('GET', '/docs/problems/no-such')).status).toBe(404)
})
