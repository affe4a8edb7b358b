import { differences } from './cli/change-text.ts'
import { EXIT, type ExitCode } from './cli/exit-codes.ts'
import type { Paint } from './cli/output/paint.ts'
import { harmless } from './cli/output/text.ts'
import type { Session } from './cli/session.ts'
import type { Client } from './client/create-client.ts'
import { acmeRemarks } from './config/acme-remarks.ts'
import { missingSplit } from './config/check-service.ts'
import type { Config } from './config/config.ts'
import { childPath, formatProblem } from './config/problems.ts'
import { withDefaults } from './config/with-defaults.ts'
import { datesOutOfRange } from './edge/listener-files.ts'
import { withoutSecrets } from './model/without-secrets.ts'
import { nameWarnings } from './name-warnings.ts'

/** How a service of the file compares with the one of this name that runs. */
interface Compared {
  readonly service: string
  readonly standing: 'same' | 'differs' | 'onlyInFile' | 'onlyRunning'
  /** From what runs to what the file says. */
  readonly differences: readonly { readonly path: string; readonly text: string }[]
}

/** Tells that a configuration is fine, and what in it differs from what runs if that was asked for. Throws ApiError. */
export async function checked(session: Session, file: string, config: Config, withDiff: boolean): Promise<ExitCode> {
  const { terminal, isJson } = session
  const names = Object.keys(config.services)
  const compared = withDiff ? await compare(session.client, config) : []
  const warnings = await nameWarnings(config)
  if (isJson) {
    terminal.printJson({ file, ok: true, services: names, warnings, ...(withDiff ? { diff: compared } : {}) })
    return EXIT.done
  }
  terminal.print(`${file} is fine: ${names.length} service${names.length === 1 ? '' : 's'}`)
  for (const { tls } of config.proxy.listen) {
    for (const problem of tls === undefined ? [] : datesOutOfRange(tls, Date.now()))
      terminal.tell(`warning: ${problem}`)
  }
  for (const [name, service] of Object.entries(config.services)) {
    const missing = missingSplit(service)
    const path = childPath(childPath('services', name), 'split')
    if (missing !== null) terminal.tell(`note: ${path} ${missing}; only a service that runs already may go without it`)
  }
  for (const warning of warnings) terminal.tell(`warning: ${formatProblem(warning)}`)
  terminal.tell(...acmeRemarks(config).map((remark) => `note: ${remark}`))
  if (withDiff) terminal.print(...diffLines(compared, session))
  return EXIT.done
}

async function compare(client: Client, { services }: Config): Promise<readonly Compared[]> {
  const running = (await client.services.list()).services.map(({ name }) => name)
  const compared: Compared[] = []
  for (const service of new Set([...Object.keys(services), ...running])) {
    const given = services[service]
    if (given === undefined) compared.push({ service, standing: 'onlyRunning', differences: [] })
    else if (!running.includes(service)) compared.push({ service, standing: 'onlyInFile', differences: [] })
    else {
      const { resolved } = await client.services.definition(service)
      // Secrets are hidden on both sides.
      const found = differences(resolved, withoutSecrets(withDefaults(given)))
      compared.push({ service, standing: found.length === 0 ? 'same' : 'differs', differences: found })
    }
  }
  return compared
}

function diffLines(compared: readonly Compared[], { terminal: { paint } }: Session): string[] {
  const lines = compared.flatMap((each) => linesOf(each, paint))
  return lines.length === 0 ? ['What runs has the same definitions.'] : lines
}

function linesOf({ service, standing, differences }: Compared, paint: Paint): string[] {
  switch (standing) {
    case 'same':
      return []
    case 'onlyInFile':
      return [paint('green', `+ ${service}: in the file, and does not run`)]
    case 'onlyRunning':
      return [paint('red', `- ${service}: runs, and is not in the file`)]
    case 'differs':
      return [
        paint('yellow', `~ ${service}: from what runs to the file`),
        ...differences.map(({ path, text }) => harmless(`    ${path}: ${text}`)),
      ]
  }
}
