// npm run man: writes man/cutover.1 from the commands themselves.
import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { createProgram } from '../src/command-line.ts'

const PAGE = new URL('../man/cutover.1', import.meta.url)

/** The manual page, for man(1). */
export function manualPage(): string {
  const program = createProgram(null)
  return [
    '.\\" Written by npm run man.',
    '.TH CUTOVER 1 "" "Cutover" "User Commands"',
    '.SH NAME',
    `cutover \\- ${text(program.description())}`,
    '.SH SYNOPSIS',
    '.B cutover',
    '.I command',
    '[\\fIoptions\\fR]',
    '.SH DESCRIPTION',
    'Runs the proxy, checks its configuration, and drives it through its admin API.',
    '.SH COMMANDS',
    ...program.commands.flatMap((command) => section(command, 'cutover')),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([name, what]) => ['.TP', `.B ${name}`, text(what)]),
    '.SH EXIT STATUS',
    ...EXIT_STATUS.flatMap(([code, what]) => ['.TP', `.B ${code}`, text(what)]),
    '.SH SEE ALSO',
    'docs/cli.md, docs/runbook.md, docs/configuration.md',
    '',
  ].join('\n')
}

const ENVIRONMENT = [
  ['CUTOVER_ADMIN', 'URL of the admin API; several of a fleet with commas between them.'],
  ['CUTOVER_TOKEN', 'Token for the admin API.'],
  ['CUTOVER_CONFIG', 'Configuration file of cutover run.'],
  ['NO_COLOR', 'No colours.'],
] as const

const EXIT_STATUS = [
  ['0', 'Done.'],
  ['1', 'Failed.'],
  ['2', 'The arguments or the configuration cannot be used.'],
  ['3', 'A rollout waits for a person.'],
  ['4', 'Not complete in time; the change stands.'],
  ['130', 'Stopped by Ctrl-C.'],
] as const

function section(command: Command, parent: string): string[] {
  const name = `${parent} ${command.name()}`
  if (command.name().startsWith('__') || command.name() === 'help') return []
  if (command.commands.length > 0) return command.commands.flatMap((each) => section(each, name))
  const args = command.registeredArguments.map((each) => (each.required ? `<${each.name()}>` : `[${each.name()}]`))
  return [
    `.SS ${text([name, ...args].join(' '))}`,
    text(sentence(command.description())),
    ...command.options.flatMap(({ flags, description }) => ['.TP', `.B ${text(flags)}`, text(sentence(description))]),
  ]
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`.replace(/\.\.$/, '.')
}

/** A text in which nothing is a request or an escape of troff. */
function text(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1')
}

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, manualPage())
