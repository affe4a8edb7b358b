import { availableParallelism } from 'node:os'
import { EXIT } from './cli/exit-codes.ts'
import { loadConfig } from './config/load.ts'
import { formatProblem } from './config/problems.ts'
import { Signals } from './process/signals.ts'
import { StartCalledOff } from './process/start-failed.ts'
import { openLog } from './telemetry/log.ts'
import { Output } from './telemetry/output.ts'

const STANDARD_OUTPUT = 1

/** `cutover run`: runs an instance until it is told to stop. `given`: handlers set at the start; null = not set. */
export async function run(file: string, joinAnyway: boolean, given: Signals | null): Promise<void> {
  const signals = given ?? new Signals()
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
