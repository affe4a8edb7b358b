import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../src/command-line.ts'

const program = createProgram(null)
const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)
const pathOf = ({ name, parent }: Command, own: string): string =>
  parent === null ? own : `${pathOf(parent, parent.name())} ${own || name()}`
const VERBS = leaves(program).filter((command) => !command.name().startsWith('__'))

/** The verbs of SPEC 8 and 13 that are built. */
const BUILT = [
  ...[
    'run',
    'check',
    'status',
    'switch',
    'shift',
    'drain',
    'enable',
    'rollback',
    'deploy',
    'rollout',
    'pause',
    'resume',
  ],
  ...[
    'roll',
    'import',
    'freeze',
    'unfreeze',
    'stop',
    'history',
    'explain',
    'events',
    'instances',
    'top',
    'init',
    'completion',
    'logs',
    'openapi',
  ],
]

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (piece) => (text += piece) })
  command.outputHelp()
  return text
}

describe('help', () => {
  test('names all verbs', () => {
    const help = helpOf(program)
    for (const verb of BUILT) expect(help).toMatch(new RegExp(`^  ${verb}\\b`, 'm'))
    expect(help.split('\n').filter((line) => line.length > 80)).toEqual([])
  })

  test.for(VERBS.map((command) => [pathOf(command, command.name()), command] as const))(
    'of %s has two examples, with options that it takes; all arguments and options are described',
    ([path, command]) => {
      const [, examples = ''] = helpOf(command).split('\nExamples:\n')
      const lines = examples.split('\n').filter((line) => line.startsWith('  cutover '))
      expect(lines).toHaveLength(2)
      for (const line of lines) {
        expect(line).toContain(`  ${path}`)
        const known = command.options.flatMap(({ short, long }) => [short, long])
        for (const [option] of line.matchAll(/(?<= )--?[a-z][a-z-]*/g)) expect(known).toContain(option)
      }
      expect(command.description()).toMatch(/\S/)
      for (const { flags, description } of command.options)
        expect([flags, description]).toEqual([flags, expect.stringMatching(/\S/)])
    },
  )

  test.for(
    VERBS.filter(({ options }) => options.some(({ long }) => long === '--reason')).map(
      (command) => [pathOf(command, command.name()), command] as const,
    ),
  )('every write has --wait, --reason, --force and --json: %s', ([, command]) => {
    const known = command.options.map(({ long }) => long)
    // A roll waits anyway.
    const wait = command.name() === 'roll' ? [] : ['--wait']
    expect(known).toEqual(expect.arrayContaining([...wait, '--reason', '--force', '--json', '--admin']))
  })
})
