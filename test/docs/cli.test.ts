import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
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
