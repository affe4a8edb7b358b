import type { Imported } from '../imported.ts'
import { appOf } from '../names.ts'
import type { Report } from '../report.ts'
import type { Rule } from '../rules.ts'
import { Unreadable } from '../unreadable.ts'
import { Context } from './context.ts'
import { withIncludes } from './include.ts'
import { parseNginx } from './parse.ts'
import { readProxy } from './proxy.ts'
import { reportRest } from './reasons.ts'
import { Scope } from './scope.ts'
import { rulesOfServers, serverBlock } from './servers.ts'

/** Reads an nginx.conf, or a file of its conf.d. Throws Unreadable. */
export function readNginx(file: string, text: string, report: Report): Imported {
  const directives = withIncludes(parseNginx(file, text), file, report)
  const blocks = directives.filter(({ name }) => name === 'http')
  for (const block of blocks) report.take(block)
  const http = [...blocks.flatMap(({ block }) => block ?? []), ...directives.filter(({ name }) => name !== 'http')]
  if (!http.some(({ name }) => KNOWN.has(name)))
    throw new Unreadable(file, 'has no http, server or upstream block of nginx in it')
  const scope = new Scope([http])
  const servers = http.filter(({ name }) => name === 'server').map((each) => serverBlock(each, scope))
  const context = new Context(http, report)
  const rules = withStandbys(rulesOfServers(servers, context), context)
  const proxy = readProxy(directives, scope, servers, report)
  reportRest(directives, report)
  return { proxy, rules }
}

const KNOWN: ReadonlySet<string> = new Set(['server', 'upstream', 'map', 'split_clients'])

/** Adds upstreams that no location names, but that are versions of one that is named, as pools without a share. */
function withStandbys(rules: readonly Rule[], context: Context): readonly Rule[] {
  const used = [...new Set(rules.flatMap(({ target }) => target?.pools.map(({ name }) => name) ?? []))]
  const standbys = context.unused.flatMap((name) => {
    const app = appOf(name)
    const versions = used.filter((each) => app !== null && appOf(each) === app)
    return versions.length === 0 ? [] : [{ name, versions }]
  })
  return rules.map((rule) => {
    const { target } = rule
    const added = standbys.filter(({ versions }) => target?.pools.some(({ name }) => versions.includes(name)))
    if (target === null || added.length === 0) return rule
    const pools = added.flatMap(({ name }) => {
      const pool = context.upstream(name, 'http')?.pool
      return pool === undefined ? [] : [{ ...pool, comment: 'no location of nginx uses it: a standby' }]
    })
    const split = target.split ?? { [target.pools[0]?.name ?? '']: 100 }
    return { ...rule, target: { ...target, pools: [...target.pools, ...pools], split } }
  })
}
