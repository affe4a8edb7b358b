import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/command-line.ts'
import { ROOT } from '../library/program.ts'

const page = await readFile(join(ROOT, 'docs/cli.md'), 'utf8')
const program = createProgram(null)
/** Commands in examples, without the comments behind them and what is beside them on the line. */
const lines = [...page.matchAll(/^```sh\n(.*?)^```/gms)]
  .flatMap(([, block = '']) => block.split('\n'))
  .flatMap((line) => line.replace(/ +# .*/, '').split(/ && |; /))
  .filter((line) => line.startsWith('cutover '))

test('every verb has a section, and an example', () => {
  const headings = [...page.matchAll(/^### (.*)$/gm)].flatMap(([, names = '']) => names.split(', '))
  const verbs = program.commands.map((command) => command.name()).filter((name) => !name.startsWith('__'))
  expect(headings.toSorted()).toEqual(verbs.toSorted())
  for (const verb of verbs) expect(lines.some((line) => line.startsWith(`cutover ${verb}`))).toBe(true)
})

test.for(lines.map((line) => [line]))('%s: a command with options that it takes', ([line = '']) => {
  const [, ...words] = line.replace(/"[^"]*"/g, 'text').split(' ')
  let command: Command = program
  for (const word of words) command = command.commands.find((each) => each.name() === word) ?? command
  expect(command).not.toBe(program)
  const known = command.options.flatMap(({ short, long }) => [short, long])
  for (const word of words.filter((each) => each.startsWith('-'))) expect(known).toContain(word)
})
