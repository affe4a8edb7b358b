import type { Imported } from '../imported.ts'
import { appOf } from '../names.ts'
import type { Report } from '../report.ts'
import type { Rule } from '../rules.ts'
import { Backends } from './backends.ts'
import { rulesOfFrontend } from './frontends.ts'
import { parseHaproxy, type Section } from './parse.ts'
import { readProxy } from './proxy.ts'
import { reportRest } from './reasons.ts'
import { type ProxySection, proxiesOf } from './sections.ts'

/** Reads an haproxy.cfg. Throws Unreadable. */
export function readHaproxy(file: string, text: string, report: Report): Imported {
  const sections = parseHaproxy(file, text)
  const all = proxiesOf(sections, report)
  const proxies = all.filter((proxy) => !isTcp(proxy))
  const tcp = new Set(all.filter((proxy) => isTcp(proxy)).map(({ section }) => section))
  const frontends = proxies.filter(({ servesClients }) => servesClients)
  const backends = new Backends(proxies, report)
  const rules = frontends.map((frontend) => rulesOfFrontend(frontend, backends, report))
  tellOverlaps(frontends, rules, report)
  const serving = frontends.filter((_, index) => rules[index]?.length !== 0)
  const proxy = readProxy(sections, serving, report)
  const standbys = withStandbys(rules.flat(), backends)
  const unused = new Set(backends.unused.map(({ section }) => section))
  const leftOut = (section: Section) => {
    const isForTcp = section.kind === 'defaults' && section.lines.some(({ words }) => words.join(' ') === 'mode tcp')
    if (tcp.has(section) || isForTcp) return 'its section has mode tcp: Cutover forwards HTTP only'
    return unused.has(section) ? 'no rule in the result sends requests to its backend' : null
  }
  reportRest(sections, leftOut, report)
  return { proxy, rules: standbys }
}

function isTcp(proxy: ProxySection): boolean {
  return proxy.look('mode').at(-1)?.words[1] !== 'http'
}

/** A service answers at every address: of several frontends, the first one decides about what both answer. */
function tellOverlaps(frontends: readonly ProxySection[], rules: readonly (readonly Rule[])[], report: Report): void {
  const catching = frontends.filter((_, index) =>
    rules[index]?.some((rule) => rule.hosts === null && rule.paths === null && rule.match === null),
  )
  const [first, ...more] = catching
  for (const { section } of more)
    report.differs(
      section.line,
      `services of Cutover answer at every address, so ${first?.name} decides about requests that both take; tell them apart by hosts or paths`,
    )
}

/** Adds backends that no frontend names, but that are versions of one that is named, as pools without a share. */
function withStandbys(rules: readonly Rule[], backends: Backends): readonly Rule[] {
  return backends.unused.reduce((list, proxy) => {
    const app = appOf(proxy.name)
    return list.map((rule) => {
      const { target } = rule
      const isVersion = target?.pools.some(({ name }) => app !== null && appOf(name) === app)
      const standby = isVersion === true ? backends.target(proxy.name, proxy, null) : null
      if (target === null || standby === null) return rule
      const pools = standby.pools.map((pool) => ({ ...pool, comment: 'no frontend of HAProxy uses it: a standby' }))
      const split = target.split ?? { [target.pools[0]?.name ?? '']: 100 }
      return { ...rule, target: { ...target, pools: [...target.pools, ...pools], split } }
    })
  }, rules)
}
