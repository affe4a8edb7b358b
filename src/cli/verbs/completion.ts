import { Argument, type Command } from 'commander'
import { type Candidate, expected } from '../completion/candidates.ts'
import { namesOf } from '../completion/names.ts'
import { SCRIPTS } from '../completion/scripts.ts'
import { splitLine } from '../completion/split-line.ts'
import { withExamples } from '../options.ts'
import { Terminal } from '../output/terminal.ts'
import { harmless } from '../output/text.ts'
import { Session } from '../session.ts'

export function addCompletion(program: Command): void {
  const shells = Object.keys(SCRIPTS)
  const command = program
    .command('completion')
    .description('print the script that completes commands, options and names in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
  withExamples(command, [
    [
      'cutover completion bash > ~/.local/share/bash-completion/completions/cutover',
      'for bash, from the next shell on',
    ],
    [
      'cutover completion fish > ~/.config/fish/completions/cutover.fish',
      'for fish; for zsh into a folder of $fpath as _cutover',
    ],
  ])
  command.action((shell: keyof typeof SCRIPTS) => {
    terminal().stdout.write(SCRIPTS[shell])
  })

  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .option('--line <text>')
    .action(async (words: readonly string[], { line }: { line?: string }) => {
      const lines = await linesFor(program, line === undefined ? words : splitLine(line).slice(1))
      terminal().print(...lines)
    })
}

function terminal(): Terminal {
  return new Terminal(process.stdout, process.stderr, process.env)
}

async function linesFor(program: Command, words: readonly string[]): Promise<readonly string[]> {
  const found = expected(program, words)
  switch (found.kind) {
    case 'file':
      return ['files']
    case 'anything':
      return ['words']
    case 'words':
      return ['words', ...found.candidates.map(lineOf)]
    case 'names': {
      const { admin } = found.line
      const session = new Session(terminal(), admin === undefined ? {} : { admin }, process.env)
      return ['words', ...(await namesOf(session, found.of, found.line)).map(lineOf)]
    }
  }
}

function lineOf({ value, description }: Candidate): string {
  return `${value}\t${harmless(description)}`
}
