import { EXIT } from './cli/exit-codes.ts'
import { missingSplit } from './config/check-service.ts'
import { loadConfig } from './config/load.ts'
import { childPath, formatProblem } from './config/problems.ts'

/** `cutover check`: lists all problems of a configuration file. */
export async function check(file: string): Promise<void> {
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
