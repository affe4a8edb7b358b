import { covers, hostOrder } from '../places.ts'
import type { Rule } from '../rules.ts'
import { labelOf } from '../services.ts'
import { answersOfIf } from './answers.ts'
import type { Context } from './context.ts'
import { hostsWithin, rulesOfLocations } from './locations.ts'
import type { Directive } from './parse.ts'
import type { Scope } from './scope.ts'

/** A `server` block. */
export interface ServerBlock {
  readonly directive: Directive
  readonly scope: Scope
  readonly listens: readonly Directive[]
  /** Whether it ends TLS at all of its addresses. */
  readonly isTls: boolean
  readonly names: readonly string[]
}

export function serverBlock(directive: Directive, http: Scope): ServerBlock {
  const scope = http.inside(directive.block ?? [])
  const listens = scope.own('listen')
  const isTls = (listens.length > 0 && listens.every(endsTls)) || scope.own('ssl').some(({ args }) => args[0] === 'on')
  return { directive, scope, listens, isTls, names: scope.own('server_name').flatMap(({ args }) => args) }
}

/** Whether a `listen` ends TLS. */
export function endsTls({ args }: Directive): boolean {
  return args.includes('ssl') || args.includes('quic') || /(^|:)443$/.test(args[0] ?? '')
}

/** Rules of all servers: names first, then wildcards, then the default server. */
export function rulesOfServers(servers: readonly ServerBlock[], context: Context): readonly Rule[] {
  const { report } = context
  const defaults = defaultsOf(servers)
  const placed = servers.flatMap((server) => {
    report.take(server.directive)
    if (isRedirectToHttps(server, servers)) {
      const [redirect] = redirectsIn(server)
      if (redirect !== undefined)
        report.leftOut(redirect, 'not imported: write redirectToHttps: true at the plain listener (docs/tls.md)')
      for (const each of server.scope.own('server_name')) report.take(each)
      return []
    }
    const named = hostsOf(server, context)
    const isDefault = defaults.has(server)
    const others = servers.filter((each) => each !== server).flatMap(({ names }) => names)
    const overlaps = named.some((host) => others.some((each) => each.startsWith('*.') && covers(each, host)))
    if (named.length === 0 && !isDefault) {
      report.leftOut(server.directive, 'no request reaches it by a name that Cutover knows; give it a server_name')
      return []
    }
    return [{ server, hosts: isDefault ? null : named, alsoAny: isDefault && overlaps ? named : null }]
  })
  const expanded = placed.flatMap(({ server, hosts, alsoAny }) => [
    { server, hosts },
    ...(alsoAny === null ? [] : [{ server, hosts: alsoAny }]),
  ])
  const specificity = (hosts: readonly string[] | null) =>
    hosts === null ? null : (hosts.toSorted(hostOrder).at(0) ?? null)
  expanded.sort((a, b) => hostOrder(specificity(b.hosts), specificity(a.hosts)))
  return expanded.flatMap(({ server, hosts }) => rulesOf(server, hosts, context))
}

function rulesOf(server: ServerBlock, hosts: readonly string[] | null, context: Context): readonly Rule[] {
  const { directive, scope } = server
  const named = hosts ?? server.names.filter((name) => /^[\w*.-]+$/.test(name) && name !== '_')
  const names = named.slice(0, 1).map(labelOf)
  const closing = { hosts, paths: null, match: null, target: null, name: 'rest', statement: directive }
  const answer = scope.own('return').at(-1)
  const comments =
    hosts === null && named.length > 0 ? [`any host, as this is nginx's default server: ${named.join(' ')}`] : []
  if (answer !== undefined) {
    context.report.leftOut(
      answer,
      'Cutover answers no requests itself: 404 where no service is, else 503; a hook answers (examples/hooks/rewriting.ts)',
    )
    return [{ ...closing, statement: answer }]
  }
  const rules = rulesOfLocations({ hosts, scope, names: [...names, 'app'] }, context)
  const commented = rules.map((rule) =>
    rule.target === null || comments.length === 0 ? rule : { ...rule, target: { ...rule.target, comments } },
  )
  const answers = answersOfIf(scope, context).map((each): Rule => {
    const { match, directive: by } = each
    const allowed = each.hosts === null ? hosts : hostsWithin(each.hosts, hosts)
    return { hosts: allowed, paths: null, match, target: null, name: 'answered', statement: by }
  })
  return [...answers, ...commented, closing]
}

/** For plain connections and for TLS, the server that gets requests to names that no other one has. */
function defaultsOf(servers: readonly ServerBlock[]): ReadonlySet<ServerBlock> {
  const proxying = servers.filter((server) => !isRedirectToHttps(server, servers))
  const marked = proxying.find(({ listens }) => listens.some(({ args }) => args.includes('default_server')))
  const [first] = proxying
  const chosen = marked ?? first
  return new Set(chosen === undefined ? [] : [chosen])
}

function redirectsIn({ scope }: ServerBlock): readonly Directive[] {
  const locations = [...scope.own('location'), ...scope.own('if')].flatMap(({ block }) => block ?? [])
  const all = [...scope.own('return'), ...scope.own('rewrite'), ...locations]
  return all.filter(
    ({ name, args }) => ['return', 'rewrite'].includes(name) && args.some((arg) => arg.startsWith('https://')),
  )
}

/** Whether a server does nothing but send clients to https, where another server of the file has the same names. */
function isRedirectToHttps(server: ServerBlock, servers: readonly ServerBlock[]): boolean {
  if (server.isTls || redirectsIn(server).length === 0) return false
  const passes = server.scope.own('location').some(({ block }) => block?.some(({ name }) => name === 'proxy_pass'))
  return !passes && servers.some((other) => other.isTls)
}

/** The hosts of a server in Cutover. */
function hostsOf({ scope }: ServerBlock, { report }: Context): readonly string[] {
  const hosts = scope.own('server_name').flatMap((directive) => {
    report.take(directive)
    return directive.args.flatMap((name): readonly string[] => {
      if (name === '_' || name === '' || name === '""') return []
      if (name.startsWith('.')) return [name.slice(1), `*${name}`]
      if (/^(\*\.)?[\w-]+(\.[\w-]+)*$/.test(name)) return [name.toLowerCase()]
      const [, suffix] = /^~\^?(?:\(.*\)|\[\^\.\]\+|\.\+|\.\*|\\w\+)((?:\\\.[\w-]+)+)\$?$/.exec(name) ?? []
      if (suffix !== undefined) {
        report.differs(directive, `${name} becomes a wildcard, which any name before the dot fits`)
        return [`*${suffix.replaceAll('\\', '')}`.toLowerCase()]
      }
      report.leftOut(
        directive,
        `hosts of Cutover are names, or begin with "*."; write out those that ${name} stands for`,
      )
      return []
    })
  })
  return [...new Set(hosts)]
}
