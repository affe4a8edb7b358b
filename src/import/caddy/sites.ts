import { ALWAYS, and, type Condition, type Conjunction } from '../conditions.ts'
import { ALWAYS as EVERYTHING, type Match, type Target } from '../draft.ts'
import { Fields } from '../fields.ts'
import { nameOf } from '../names.ts'
import { prefixOf } from '../places.ts'
import type { Report } from '../report.ts'
import type { Rule } from '../rules.ts'
import { readHeader } from './fields.ts'
import { type Matched, Matchers } from './matchers.ts'
import type { Segment } from './parse.ts'
import { readReverseProxy } from './upstreams.ts'

/** Directives in the order in which Caddy runs them, as far as they decide about requests. */
const ORDER: readonly (readonly string[])[] = [
  ['redir'],
  ['basic_auth', 'basicauth', 'forward_auth'],
  ['handle', 'handle_path', 'route'],
  ['abort', 'error', 'respond'],
  ['reverse_proxy'],
  ['php_fastcgi', 'file_server', 'metrics', 'acme_server'],
]

/** What holds around a directive. */
interface Around {
  readonly hosts: readonly string[] | null
  readonly condition: Condition
  readonly matchers?: Matchers
  /** Lines that change header fields. */
  readonly headers: readonly Matched[]
  /** Names for services. */
  readonly names: readonly string[]
  /** The prefix that is cut off; null = none. */
  readonly strips: string | null
  /** Name of the matcher; null = there is none. */
  readonly matcher: string | null
}

/** Reads the decisions of a site in the order in which Caddy takes them. */
export function rulesOfSite(
  block: readonly Segment[],
  hosts: readonly string[] | null,
  names: readonly string[],
  report: Report,
): readonly Rule[] {
  return rulesOfBlock(
    block,
    { hosts, condition: ALWAYS, headers: [], names, strips: null, matcher: null },
    report,
    true,
  )
}

function rulesOfBlock(block: readonly Segment[], around: Around, report: Report, isSorted: boolean): readonly Rule[] {
  const matchers = new Matchers(block, report, around.matchers)
  const all = block.map((segment) => matchers.of(segment))
  const named = (name: string) => all.filter(({ segment }) => segment.words[0] === name)
  const inner: Around = {
    ...around,
    matchers,
    headers: [...around.headers, ...named('header'), ...named('request_header')],
    strips: stripsIn(block, report) ?? around.strips,
  }
  const deciding = isSorted
    ? ORDER.flatMap((group) => all.filter(({ segment }) => group.includes(segment.words[0] ?? '')).sort(bySpecificity))
    : all.filter(({ segment }) => ORDER.some((group) => group.includes(segment.words[0] ?? '')))
  return deciding.flatMap((each) => rulesOf(each, inner, report))
}

/** Long paths first; matchers with names as they stand; those without a matcher last. */
function bySpecificity(a: Matched, b: Matched): number {
  const rank = ({ isNamed, path }: Matched) => (path !== '' ? 0 : isNamed ? 1 : 2)
  return rank(a) - rank(b) || b.path.length - a.path.length
}

/** `uri strip_prefix /api`. */
function stripsIn(block: readonly Segment[], report: Report): string | null {
  const line = block.find(({ words }) => words[0] === 'uri' && words.includes('strip_prefix'))
  if (line === undefined) return null
  report.take(line)
  return prefixOf(line.words.at(-1) ?? '')
}

function rulesOf(matched: Matched, around: Around, report: Report): readonly Rule[] {
  const { segment, condition, args, path } = matched
  const [kind = ''] = segment.words
  const whole = condition === null ? null : and(around.condition, condition)
  if (whole === null) {
    report.leftOut(
      segment,
      `Cutover cannot say its matcher${isProtective(kind) ? '; requests that it keeps out reach the servers' : ''}; a route or a hook may (docs/traffic.md, docs/programming.md)`,
    )
    leaveOut(segment.block ?? [], report)
    return []
  }
  const matcher = matched.isNamed ? nameOf(segment.words[1] ?? '') : around.matcher
  if (kind === 'handle' || kind === 'handle_path' || kind === 'route') {
    report.take(segment)
    const strips = kind === 'handle_path' ? prefixOf(path.replace(/\*$/, '')) : around.strips
    const ofPath = nameOf(path.replace(/[/*]+/g, ' ').trim(), '')
    const names = ofPath === '' ? around.names : [ofPath, ...around.names]
    return rulesOfBlock(
      segment.block ?? [],
      { ...around, condition: whole, names, strips, matcher },
      report,
      kind !== 'route',
    )
  }
  if (kind === 'reverse_proxy') {
    const target = readReverseProxy(
      segment,
      args,
      { names: around.names, pool: matcher ?? 'main' },
      fieldsOf(around.headers, report),
      report,
    )
    if (target === null) return whole.map((each) => ruleOf(each, null, 'rest', segment, around.hosts))
    return whole.map((each) =>
      ruleOf(
        each,
        stripped(target, each, around.strips, segment, report),
        matcher ?? around.names[0] ?? 'app',
        segment,
        around.hosts,
      ),
    )
  }
  if (kind.includes('auth')) {
    report.leftOut(
      segment,
      'Cutover has no such protection; the route "locked" answers 503 until a hook protects these paths (docs/programming.md, auth-by-header.ts): remove it then',
    )
    for (const line of segment.block ?? []) report.leftOut(line, 'Cutover has no such protection')
    return whole.map((each) => refusal(each, 'locked', segment, around.hosts))
  }
  answered(segment, args, report)
  return whole.map((each) => refusal(each, matcher ?? kind, segment, around.hosts))
}

function leaveOut(block: readonly Segment[], report: Report): void {
  for (const line of block) {
    report.leftOut(line, 'its block is left out')
    leaveOut(line.block ?? [], report)
  }
}

function isProtective(kind: string): boolean {
  return ['abort', 'error', 'respond', 'basic_auth', 'basicauth', 'forward_auth'].includes(kind)
}

function answered(segment: Segment, args: readonly string[], report: Report): void {
  const [kind] = segment.words
  const status = args.find((word) => /^[45]\d\d$/.test(word))
  if (kind === 'abort') report.differs(segment, 'Cutover answers these requests 503 instead of closing the connection')
  else if (status !== undefined) report.differs(segment, `Cutover answers these requests 503 instead of ${status}`)
  else if (kind === 'redir' || kind === 'respond' || kind === 'error')
    report.leftOut(
      segment,
      'Cutover answers no requests itself, so these are answered 503; a hook answers (examples/hooks/rewriting.ts)',
    )
  else
    report.leftOut(
      segment,
      'Cutover serves no files and speaks no FastCGI, so these requests are answered 503; name a server for them',
    )
}

function ruleOf(
  conjunction: Conjunction,
  target: Target | null,
  name: string,
  segment: Segment,
  hosts: readonly string[] | null,
): Rule {
  const { paths, match, except } = conjunction
  return { hosts: conjunction.hosts ?? hosts, paths, match, except, target, name: nameOf(name), statement: segment }
}

/** A rule that sends requests nowhere. One for all requests is a condition, so that what comes after it is still there. */
function refusal(conjunction: Conjunction, name: string, segment: Segment, hosts: readonly string[] | null): Rule {
  const rule = ruleOf(conjunction, null, name, segment, hosts)
  const match: Match | null = name === 'locked' && rule.match === null ? EVERYTHING : rule.match
  return { ...rule, match }
}

function stripped(
  target: Target,
  { paths }: Conjunction,
  strips: string | null,
  segment: Segment,
  report: Report,
): Target {
  if (strips === null) return target
  if (paths?.length === 1 && paths[0] === strips) return { ...target, stripPrefix: true }
  report.differs(
    segment,
    `stripPrefix of Cutover cuts off the prefix by which a service is found; here servers get ${strips} as well`,
  )
  return target
}

/** Changes of headers that hold for all requests of a block. */
function fieldsOf(headers: readonly Matched[], report: Report): Fields {
  const fields = new Fields(report)
  for (const { segment, args, condition, path, isNamed } of headers) {
    if (condition === ALWAYS || (path === '' && !isNamed)) readHeader(fields, segment, args, report)
    else report.leftOut(segment, 'headers of a service have no conditions; a hook can (response, docs/programming.md)')
  }
  return fields
}
