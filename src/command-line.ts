import { Command } from 'commander'
import { EXIT } from './cli/exit-codes.ts'
import { addVerbs } from './cli/main.ts'
import type { Signals } from './process/signals.ts'
import { VERSION } from './version.ts'

/**
 * Runs the command in the arguments of this process. `signals`: handlers set at the start of the process; null = not
 * set.
 */
export async function runCommandLine(signals: Signals | null): Promise<void> {
  const program = new Command('cutover')
    .description('A reverse proxy that switches, shifts and drains traffic without losing a request.')
    .version(VERSION)
    // A verb may have options of the same name, as deploy --version has.
    .enablePositionalOptions()
    .showHelpAfterError('(cutover --help lists the commands and options)')
    .exitOverride()

  program
    .command('run')
    .description('run the proxy and its admin API')
    .requiredOption('-c, --config <file>', 'configuration file (YAML or JSON)', process.env.CUTOVER_CONFIG || undefined)
    .option('--join-anyway', 'join a fleet even if it has no service in common with the file', false)
    .action(async ({ config, joinAnyway }: { config: string; joinAnyway: boolean }) => {
      // Loaded only here, as what the other commands need is: they start faster.
      const { run } = await import('./run-command.ts')
      await run(config, joinAnyway, signals)
    })

  program
    .command('check')
    .description('check a configuration file and list all of its problems')
    .argument('<file>', 'configuration file (YAML or JSON)')
    .action(async (file: string) => (await import('./check-command.ts')).check(file))

  addVerbs(program)

  try {
    await program.parseAsync()
  } catch (error) {
    // commander has printed the error. It also throws, with exit code 0, after --help and --version.
    const { exitCode } = error as { exitCode?: number }
    if (exitCode === undefined) throw error
    process.exitCode = exitCode === 0 ? EXIT.done : EXIT.unusable
  }
}
