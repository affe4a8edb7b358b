import { Command } from 'commander'
import { addCheck } from './check-command.ts'
import { EXIT } from './cli/exit-codes.ts'
import { addVerbs } from './cli/main.ts'
import { withExamples } from './cli/options.ts'
import { withUsage } from './cli/usage.ts'
import type { Signals } from './process/signals.ts'
import { VERSION } from './version.ts'

/**
 * Runs the command in the arguments of this process. `signals`: handlers set at the start of the process; null = not
 * set.
 */
export async function runCommandLine(signals: Signals | null): Promise<void> {
  try {
    await createProgram(signals).parseAsync()
  } catch (error) {
    // commander has printed the error. It also throws, with exit code 0, after --help and --version.
    const { exitCode } = error as { exitCode?: number }
    if (exitCode === undefined) throw error
    process.exitCode = exitCode === 0 ? EXIT.done : EXIT.unusable
  }
}

/** All commands. It throws instead of ending the process. `signals`: see `runCommandLine`. */
export function createProgram(signals: Signals | null): Command {
  const program = new Command('cutover')
    .description('A reverse proxy that switches, shifts and drains traffic without losing a request.')
    .version(VERSION)
    // A verb may have options of the same name, as deploy --version has.
    .enablePositionalOptions()
    .configureHelp({ subcommandTerm: (verb) => `${verb.name()} ${verb.usage().replace(/\[options\] ?/, '')}`.trim() })
    .exitOverride()

  program.commandsGroup('Running it:')
  const run = program
    .command('run')
    .description('run the proxy and its admin API')
    .requiredOption('-c, --config <file>', 'configuration file (YAML or JSON)', process.env.CUTOVER_CONFIG || undefined)
    .option('--join-anyway', 'join a fleet even if it has no service in common with the file', false)
    .action(async ({ config, joinAnyway }: { config: string; joinAnyway: boolean }) => {
      // Loaded only here, as what the other commands need is: they start faster.
      const { run } = await import('./run-command.ts')
      await run(config, joinAnyway, signals)
    })
  withExamples(run, [
    ['cutover run --config cutover.yaml', 'until SIGTERM or Ctrl-C'],
    ['cutover run --config edge.yaml --join-anyway', 'into a fleet that has other services'],
  ])
  addCheck(program)
  addVerbs(program)
  withUsage(program)
  return program
}
