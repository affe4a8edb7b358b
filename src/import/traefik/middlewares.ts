import { ALWAYS, type Match, type Settings } from '../draft.ts'
import { Fields, literal } from '../fields.ts'
import { prefixOf } from '../places.ts'
import type { Report, Statement } from '../report.ts'
import { bytesOf } from '../units.ts'
import { baseName } from './services.ts'
import type { Tree } from './tree.ts'

/** Why a kind of middleware is left out. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  ratelimit: 'Cutover has no rate limits; examples/hooks/rate-limit-by-key.ts has one',
  inflightreq: 'Cutover limits requests for each server: connections.perServer',
  circuitbreaker: 'Cutover ejects servers by the outcomes of their requests (passive), and has no circuit breaker',
  compress: 'Cutover compresses nothing; let the app do it',
  errors: 'Cutover has error answers of its own; a hook can change them (response, docs/programming.md)',
  addprefix: 'Cutover changes no paths, apart from stripPrefix; a hook does (r.setPath, docs/programming.md)',
  replacepath: 'Cutover changes no paths, apart from stripPrefix; a hook does (r.setPath, docs/programming.md)',
  replacepathregex: 'Cutover changes no paths, apart from stripPrefix; a hook does (r.setPath, docs/programming.md)',
  stripprefixregex: 'Cutover changes no paths, apart from stripPrefix; a hook does (r.setPath, docs/programming.md)',
  redirectregex: 'Cutover answers no requests itself; a hook redirects (examples/hooks/rewriting.ts)',
  redirectscheme: 'not imported: write redirectToHttps: true at the plain listener (docs/tls.md)',
  contenttype: 'Cutover changes no answers',
  passtlsclientcert: 'with tls.clientAuth, Cutover sends X-Forwarded-Client-Cert by itself (docs/tls.md)',
  plugin: 'write a hook instead (docs/programming.md)',
}
const LOCKS: readonly string[] = ['basicauth', 'digestauth', 'forwardauth']

/** What the middlewares of a router come to. */
export interface Applied {
  readonly settings: Settings
  /** Prefixes that are cut off. */
  readonly strips: readonly string[]
  /** Conditions under which requests are refused. */
  readonly refused: readonly { readonly name: string; readonly match: Match; readonly statement: Statement }[]
  readonly redirectsToHttps: boolean
  /** Max size of a body, bytes. */
  readonly bodyBytes: number | null
}

/** Reads `http.middlewares`. */
export class Middlewares {
  private readonly trees: ReadonlyMap<string, Tree>
  private readonly report: Report

  constructor(http: Tree, report: Report) {
    this.trees = new Map(http.at('middlewares')?.entries ?? [])
    this.report = report
  }

  /** Applies middlewares in their order. `by`: the statement that names them. */
  apply(names: readonly string[], by: Statement): Applied {
    const fields = new Fields(this.report)
    const applied = {
      strips: [] as string[],
      refused: [] as Applied['refused'][number][],
      redirectsToHttps: false,
      bodyBytes: null as number | null,
      retry: {} as Settings,
    }
    const visit = (name: string, depth: number): void => {
      const tree = this.trees.get(baseName(name))
      if (tree === undefined) {
        this.report.leftOut(
          by,
          `there is no middleware ${name} in this file; the route "locked" answers 503 until you have seen to what it does: remove it then`,
        )
        applied.refused.push({ name: 'locked', match: ALWAYS, statement: by })
        return
      }
      for (const [kind, options] of tree.entries) {
        if (kind.toLowerCase() === 'chain' && depth < 8)
          for (const each of options.list(this.report, 'middlewares')) visit(each, depth + 1)
        else this.one(kind.toLowerCase(), options, fields, applied)
      }
    }
    for (const name of names) visit(name, 0)
    return { ...applied, settings: { ...applied.retry, ...fields.settings } }
  }

  private one(
    kind: string,
    options: Tree,
    fields: Fields,
    applied: {
      strips: string[]
      refused: Applied['refused'][number][]
      redirectsToHttps: boolean
      bodyBytes: number | null
      retry: Settings
    },
  ): void {
    const { report } = this
    const { statement } = options
    if (kind === 'headers') this.headers(options, fields)
    else if (kind === 'stripprefix') {
      options.text(report, 'forceSlash')
      applied.strips.push(...options.list(report, 'prefixes').flatMap((prefix) => prefixOf(prefix) ?? []))
    } else if (kind === 'retry') {
      applied.retry = { retry: { attempts: Number(options.text(report, 'attempts') ?? 1), on: ['connect', 'reset'] } }
      const initial = options.at('initialInterval')
      if (initial !== null) report.leftOut(initial.statement, 'Cutover tries another server at once')
    } else if (kind === 'ipallowlist' || kind === 'ipwhitelist') {
      const ip = options.list(report, 'sourceRange')
      report.differs(statement, 'Cutover answers 503 instead of 403')
      applied.refused.push({ name: 'denied', match: { not: { ip } }, statement })
    } else if (kind === 'buffering') {
      const size = bytesOf(options.text(report, 'maxRequestBodyBytes') ?? '')
      if (size !== null) applied.bodyBytes = size
    } else if (LOCKS.includes(kind)) {
      report.leftOut(
        statement,
        'Cutover has no such protection; the route "locked" answers 503 until a hook protects these paths (docs/programming.md, auth-by-header.ts): remove it then',
      )
      for (const leaf of options.leaves) if (!report.knows(leaf)) report.leftOut(leaf, 'Cutover has no such protection')
      applied.refused.push({ name: 'locked', match: ALWAYS, statement })
    } else {
      if (kind === 'redirectscheme' && options.at('scheme')?.text(report) === 'https') applied.redirectsToHttps = true
      for (const leaf of options.leaves) report.leftOut(leaf, LEFT_OUT[kind] ?? 'Cutover has nothing like it')
      if (options.leaves.length === 0) report.leftOut(statement, LEFT_OUT[kind] ?? 'Cutover has nothing like it')
    }
  }

  private headers(options: Tree, fields: Fields): void {
    const { report } = this
    for (const [direction, key] of [
      ['request', 'customRequestHeaders'],
      ['response', 'customResponseHeaders'],
    ] as const) {
      for (const [name, tree] of options.at(key)?.entries ?? []) {
        const value = tree.text(report) ?? ''
        if (value === '') fields.remove(direction, name, tree.statement)
        else fields.set(direction, name, literal(value), tree.statement)
      }
    }
    for (const [key, [name, value]] of Object.entries(SECURITY_FIELDS)) {
      const tree = options.at(key)
      const given = tree?.text(report) ?? null
      const text = given === null ? null : value === '' ? given : given === 'true' ? value : null
      if (tree !== null && text !== null) fields.set('response', name, literal(text), tree.statement)
    }
    const sts = Number(options.text(report, 'stsSeconds') ?? 0)
    const parts = [
      `max-age=${sts}`,
      ...(options.flag(report, 'stsIncludeSubdomains') ? ['includeSubDomains'] : []),
      ...(options.flag(report, 'stsPreload') ? ['preload'] : []),
    ]
    const seconds = options.at('stsSeconds')
    if (sts > 0 && seconds !== null)
      fields.set('response', 'Strict-Transport-Security', parts.join('; '), seconds.statement)
    for (const leaf of options.leaves)
      if (!report.knows(leaf))
        report.leftOut(leaf, 'Cutover sets and removes fields only; a hook can do more (response, docs/programming.md)')
  }
}

/** Options that stand for a field; the value, or empty = as given. */
const SECURITY_FIELDS: Readonly<Record<string, readonly [string, string]>> = {
  frameDeny: ['X-Frame-Options', 'DENY'],
  customFrameOptionsValue: ['X-Frame-Options', ''],
  contentTypeNosniff: ['X-Content-Type-Options', 'nosniff'],
  browserXssFilter: ['X-XSS-Protection', '1; mode=block'],
  contentSecurityPolicy: ['Content-Security-Policy', ''],
  referrerPolicy: ['Referrer-Policy', ''],
  permissionsPolicy: ['Permissions-Policy', ''],
}
