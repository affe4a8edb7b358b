import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { QUERIES } from '../../src/client/operations.ts'
import { createProgram } from '../../src/command-line.ts'
import { ROOT } from '../library/program.ts'

const PAGES = ['README.md', ...globSync('{docs,examples}/**/*.md', { cwd: ROOT })].toSorted()
/** Queries of every route: a change takes them in its body as well. */
const ANYWHERE = ['wait', 'force', 'reason', 'scope', 'dryRun']

/** The lines of the shell in a page; one that ends with a backslash goes on. */
function linesOf(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  const blocks = [...text.matchAll(/^```(?:sh|bash)\n(.*?)^```/gms)].map(([, block = '']) => block)
  return blocks.flatMap((block) => block.replaceAll('\\\n', ' ').split('\n')).map((line) => line.trim())
}

/** The commands of Cutover in the jobs of CI. */
function jobLinesOf(file: string): string[] {
  return readFileSync(join(ROOT, file), 'utf8').match(/npx cutover .*/g) ?? []
}

const all = [
  ...PAGES.flatMap((page) => linesOf(page).map((line) => [page, line] as const)),
  ...globSync('examples/ci/*.yml', { cwd: ROOT }).flatMap((file) =>
    jobLinesOf(file).map((line) => [file, line] as const),
  ),
]
const commands = all.filter(([, line]) => /^(npx )?cutover /.test(line))
const calls = all.filter(([, line]) => /\bcurl\b.*\/api\//.test(line))

test('there are commands and calls to look at', () => {
  expect(commands.length).toBeGreaterThan(40)
  expect(calls.length).toBeGreaterThan(25)
})

test.each(commands)('%s: %s is a command with options that it takes', (_page, line) => {
  const [first = ''] = line.replace(/ +# .*/, '').split(/ && |; | > | \| /)
  const words = first
    .replace(/"[^"]*"|'[^']*'/g, 'text')
    .replace(/^(npx )?cutover /, '')
    .split(/ +/)
  let command: Command = createProgram(null)
  for (const word of words)
    command = command.commands.find((each) => [each.name(), each.alias()].includes(word)) ?? command
  expect(command.parent).not.toBeNull()
  const known = [...command.options, ...(command.parent?.options ?? [])].flatMap(({ short, long }) => [short, long])
  for (const word of words.filter((each) => /^--?[a-z]/.test(each))) expect(known).toContain(word.replace(/=.*/, ''))
})

test.each(calls)('%s: %s is a call that the API has', (_page, line) => {
  const method = /-X +([A-Z]+)/.exec(line)?.[1] ?? (/(--json|-d|--data) /.test(line) ? 'POST' : 'GET')
  const [, path = '', query = ''] = /(\/api\/[^\s'"?]*)(?:\?([^\s'"]*))?/.exec(line) ?? []
  const route = Object.keys(QUERIES).find((each) => {
    const pattern = each.replaceAll(/\{[^}]+\}/g, '[^/]+')
    return new RegExp(`^${pattern}$`).test(`${method} ${path}`)
  })
  const withoutType = ['/api/events', '/api/openapi.json']
  if (withoutType.includes(path)) return
  expect([method, path, route]).toEqual([method, path, expect.any(String)])
  const names = [...new URLSearchParams(query).keys()]
  const known = [...(QUERIES[route as keyof typeof QUERIES] as readonly string[]), ...ANYWHERE]
  for (const name of names) expect(known).toContain(name)
})
