import { Command } from 'commander'
import type { Logger } from 'pino'
import { destination, pino } from 'pino'
import packageJson from '../package.json' with { type: 'json' }
import { loadConfig } from './config/load.ts'
import { formatProblem } from './config/problems.ts'
import type { Instance } from './instance.ts'

/** Done, failed at run time, unusable configuration or arguments. */
const EXIT = { done: 0, failed: 1, unusable: 2 }
/** Ctrl-C reaches this process from the terminal, and once more from npm: signals this close together are one. */
const SAME_SIGNAL_MS = 250
/** How long the line that says `ready` waits for the first health checks. */
const FIRST_PROBES_MS = 5_000

const program = new Command('cutover')
  .description('A reverse proxy that switches, shifts and drains traffic without losing a request.')
  .version(packageJson.version)
  .showHelpAfterError('(cutover --help shows what there is)')
  .exitOverride()

program
  .command('run')
  .description('run the proxy and its admin API')
  .requiredOption('-c, --config <file>', 'configuration file (YAML or JSON)', process.env.CUTOVER_CONFIG || undefined)
  .action(({ config }: { config: string }) => run(config))

program
  .command('check')
  .description('check a configuration file, and say everything that is wrong with it')
  .argument('<file>', 'configuration file (YAML or JSON)')
  .action(check)

try {
  await program.parseAsync()
} catch (error) {
  // commander has said what is wrong; asking for help or the version is not wrong.
  const { exitCode } = error as { exitCode?: number }
  if (exitCode === undefined) throw error
  process.exitCode = exitCode === 0 ? EXIT.done : EXIT.unusable
}

async function check(file: string): Promise<void> {
  const loaded = await loadConfig(file, process.env)
  if (loaded.ok) {
    const count = Object.keys(loaded.config.services).length
    console.log(`${file} is fine: ${count} service${count === 1 ? '' : 's'}`)
    return
  }
  for (const problem of loaded.problems) console.error(formatProblem(problem))
  console.error(`${file} has ${loaded.problems.length} problem${loaded.problems.length === 1 ? '' : 's'}`)
  process.exitCode = EXIT.unusable
}

async function run(file: string): Promise<void> {
  const log = pino({ name: 'cutover', base: { pid: process.pid } }, destination({ dest: 2, sync: true }))
  const load = () => loadConfig(file, process.env)
  const loaded = await load()
  if (!loaded.ok) {
    for (const problem of loaded.problems) console.error(formatProblem(problem))
    console.error(`${file} cannot be used; nothing was started`)
    process.exitCode = EXIT.unusable
    return
  }
  // Only here: the other commands need none of it, and are quick without it.
  const { Instance, UnusableConfiguration } = await import('./instance.ts')
  // A bug in one request must not end all the others; what it was is in the log.
  process.on('uncaughtException', (error) => log.error({ err: error }, 'unexpected error, going on'))
  let instance: Instance
  try {
    instance = await Instance.start({ config: loaded.config, load, file, log })
  } catch (error) {
    console.error(explain(error))
    const unusable = error instanceof UnusableConfiguration
    if (unusable) console.error(`${file} cannot be used; nothing was started`)
    process.exitCode = unusable ? EXIT.unusable : EXIT.failed
    return
  }
  handleSignals(instance, log)
  await instance.firstProbes(FIRST_PROBES_MS)
  console.log(`cutover ready: proxy ${instance.proxyAddresses.join(' ')}, admin ${instance.adminAddress}`)
}

function handleSignals(instance: Instance, log: Logger): void {
  let firstAt: number | null = null
  const stop = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    if (firstAt !== null && now - firstAt < SAME_SIGNAL_MS) return
    if (firstAt !== null) {
      log.warn({ signal }, 'second signal: ending at once')
      process.exit(EXIT.failed)
    }
    firstAt = now
    log.info({ signal }, 'stopping: requests under way may finish; a second signal ends at once')
    instance.stop().then(
      () => process.exit(EXIT.done),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed')
        process.exit(EXIT.failed)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('SIGHUP', () => {
    const request = { by: 'SIGHUP', reason: null, force: false, ifMatch: null }
    instance.reload(request).catch((error: unknown) => log.error({ err: error }, 'reading the configuration failed'))
  })
  process.on('SIGUSR2', () => log.warn('replacing workers is not available yet'))
}

function explain(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    const { address = '', port = '' } = error as { address?: string; port?: number }
    return `cannot listen on ${address}${port === -1 || port === '' ? '' : `:${port}`}: something else does already`
  }
  return error instanceof Error ? error.message : String(error)
}
