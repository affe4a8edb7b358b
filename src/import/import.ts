import { parseConfig } from '../config/load.ts'
import { formatProblem } from '../config/problems.ts'
import { readCaddy } from './caddy/read.ts'
import { readHaproxy } from './haproxy/read.ts'
import type { Imported } from './imported.ts'
import { readNginx } from './nginx/read.ts'
import { Report } from './report.ts'
import { servicesOf } from './services.ts'
import { readTraefik } from './traefik/read.ts'
import { writeYaml } from './write.ts'

type Read = (file: string, text: string, report: Report) => Imported

/** The proxies whose configurations can be read. */
export const SOURCES = {
  nginx: readNginx,
  haproxy: readHaproxy,
  traefik: readTraefik,
  caddy: readCaddy,
} satisfies Record<string, Read>

export type Source = keyof typeof SOURCES

/** A configuration of Cutover, and what it does not say. */
export interface ImportResult {
  readonly yaml: string
  readonly report: Report
  /** What `cutover check` has against the configuration, such as files that are not here. */
  readonly problems: readonly string[]
}

/** Makes a configuration out of that of another proxy. `file`: its name, beside which included files are. Throws Unreadable. */
export function importFrom(source: Source, file: string, text: string): ImportResult {
  const report = new Report()
  const { proxy, rules } = SOURCES[source](file, text, report)
  const services = servicesOf(rules, report)
  const yaml = writeYaml(proxy, services, [
    `Made from ${file === '-' ? 'standard input' : file} by: cutover import ${source}`,
    'docs/importing.md says in what Cutover differs. Check it with: cutover check FILE',
  ])
  const checked = parseConfig(yaml, {}, 'the result')
  return { yaml, report, problems: checked.ok ? [] : checked.problems.map(formatProblem) }
}
export { Unreadable } from './unreadable.ts'
