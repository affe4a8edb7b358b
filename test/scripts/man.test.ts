import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { manualPage } from '../../scripts/man.ts'
import { createProgram } from '../../src/command-line.ts'
import { ROOT } from '../library/program.ts'

test('the manual page is that of the commands (npm run man)', async () => {
  expect(await readFile(join(ROOT, 'man/cutover.1'), 'utf8')).toBe(manualPage())
})

test('each command has a section, and no line begins with a request by accident', () => {
  const lines = manualPage().split('\n')
  for (const command of createProgram(null).commands.filter((each) => !each.name().startsWith('__')))
    expect(lines.some((line) => line.startsWith(`.SS cutover ${command.name().replaceAll('-', '\\-')}`))).toBe(true)
  const requests = lines.filter((line) => line.startsWith('.')).map((line) => line.split(' ')[0])
  expect([...new Set(requests)].toSorted()).toEqual(['.B', '.I', '.SH', '.SS', '.TH', '.TP', '.\\"'].toSorted())
})
