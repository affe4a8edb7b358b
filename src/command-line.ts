import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { missingSplit } from './config/check-service.ts'
import { loadConfig } from './config/load.ts'
import { childPath, formatProblem } from './config/problems.ts'
import { Signals } from './process/signals.ts'
import { StartCalledOff } from './process/start-failed.ts'
import { openLog } from './telemetry/log.ts'
import { Output } from './telemetry/output.ts'
import { VERSION } from './version.ts'

const STANDARD_OUTPUT = 1

/** Exit codes: success, failure at run time, unusable configuration or arguments. */
const EXIT = { done: 0, failed: 1, unusable: 2 }

/**
 * Runs the command in the arguments of this process. `signals`: handlers set at the start of the process; null = not
 * set.
 */
export async function runCommandLine(signals: Signals | null): Promise<void> {
  const program = new Command('cutover')
    .description('A reverse proxy that switches, shifts and drains traffic without losing a request.')
    .version(VERSION)
    .showHelpAfterError('(cutover --help lists the commands and options)')
    .exitOverride()

  program
    .command('run')
    .description('run the proxy and its admin API')
    .requiredOption('-c, --config <file>', 'configuration file (YAML or JSON)', process.env.CUTOVER_CONFIG || undefined)
    .option('--join-anyway', 'join a fleet even if it has no service in common with the file', false)
    .action(({ config, joinAnyway }: { config: string; joinAnyway: boolean }) =>
      run(config, joinAnyway, signals ?? new Signals()),
    )

  program
    .command('check')
    .description('check a configuration file and list all of its problems')
    .argument('<file>', 'configuration file (YAML or JSON)')
    .action(check)

  try {
    await program.parseAsync()
  } catch (error) {
    // commander has printed the error. It also throws, with exit code 0, after --help and --version.
    const { exitCode } = error as { exitCode?: number }
    if (exitCode === undefined) throw error
    process.exitCode = exitCode === 0 ? EXIT.done : EXIT.unusable
  }
}

async function check(file: string): Promise<void> {
  const loaded = await loadConfig(file, process.env)
  if (loaded.ok) {
    const services = Object.entries(loaded.config.services)
    console.log(`${file} is fine: ${services.length} service${services.length === 1 ? '' : 's'}`)
    for (const [name, service] of services) {
      const missing = missingSplit(service)
      const path = childPath(childPath('services', name), 'split')
      if (missing !== null)
        console.error(`note: ${path} ${missing}; only a service that runs already may go without it`)
    }
    return
  }
  for (const problem of loaded.problems) console.error(formatProblem(problem))
  console.error(`${file} has ${loaded.problems.length} problem${loaded.problems.length === 1 ? '' : 's'}`)
  process.exitCode = EXIT.unusable
}

async function run(file: string, joinAnyway: boolean, signals: Signals): Promise<void> {
  const log = openLog({})
  signals.logTo(log)
  const load = () => loadConfig(file, process.env)
  const loaded = await load()
  if (!loaded.ok) {
    for (const problem of loaded.problems) console.error(formatProblem(problem))
    console.error(`${file} cannot be used; nothing was started`)
    process.exitCode = EXIT.unusable
    return
  }
  // A bug in the handling of one request must not end all others; it is logged instead.
  process.on('uncaughtException', (error) => log.error({ err: error }, 'unexpected error; the process continues'))
  const { workers } = loaded.config.proxy
  const count = workers === 'auto' ? availableParallelism() : workers
  // Loaded only here, so that the other commands start faster.
  try {
    const start =
      count === 0
        ? (await import('./process/run-alone.ts')).runAlone
        : (await import('./process/run-supervised.ts')).runSupervised
    const running = await start({
      config: loaded.config,
      load,
      file,
      joinAnyway,
      log,
      workers: count,
      stopAsked: signals.stopAsked,
    })
    signals.serve(running)
    if (signals.stopAsked.aborted) return
    // Not console.log, which blocks if standard output is not read.
    new Output(STANDARD_OUTPUT).write(
      `cutover ready: proxy ${running.proxyAddresses.join(' ')}, admin ${running.adminAddress}\n`,
    )
  } catch (error) {
    if (error instanceof StartCalledOff) process.exit(EXIT.done)
    const { exitCode = EXIT.failed } = error as { exitCode?: number }
    console.error(error instanceof Error ? error.message : String(error))
    if (exitCode === EXIT.unusable) console.error(`${file} cannot be used; nothing was started`)
    process.exitCode = exitCode
  }
}
