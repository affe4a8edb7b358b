import type { Report } from '../report.ts'
import type { Directive } from './parse.ts'
import { readUpstream, type Upstream } from './upstreams.ts'
import { Variables } from './variables.ts'

/** What the whole configuration defines. */
export class Context {
  readonly report: Report
  readonly variables: Variables
  private readonly directives = new Map<string, Directive>()
  private readonly read = new Map<string, Upstream>()

  constructor(http: readonly Directive[], report: Report) {
    this.report = report
    this.variables = new Variables(http, report)
    for (const directive of http)
      if (directive.name === 'upstream') this.directives.set(directive.args[0] ?? '', directive)
  }

  /** The upstream of that name; null = there is none. */
  upstream(name: string, scheme: 'http' | 'https'): Upstream | null {
    const key = `${scheme} ${name}`
    const known = this.read.get(key)
    const directive = this.directives.get(name)
    if (known !== undefined || directive === undefined) return known ?? null
    const upstream = readUpstream(directive, scheme, this.report)
    this.read.set(key, upstream)
    return upstream
  }

  /** Names of upstreams that nothing has asked for. */
  get unused(): readonly string[] {
    const used = new Set([...this.read.keys()].map((key) => key.split(' ')[1]))
    return [...this.directives.keys()].filter((name) => !used.has(name))
  }

  directiveOf(name: string): Directive | undefined {
    return this.directives.get(name)
  }
}
