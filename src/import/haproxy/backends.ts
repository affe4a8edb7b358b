import type { PoolDraft, Target } from '../draft.ts'
import { appOf, isVersionName, nameOf } from '../names.ts'
import type { Report } from '../report.ts'
import { readFields } from './fields.ts'
import type { Line } from './parse.ts'
import { readPolicies } from './policies.ts'
import type { ProxySection } from './sections.ts'
import { readServers } from './servers.ts'

/** Reads backends, each when a frontend sends requests to it. */
export class Backends {
  private readonly proxies: ReadonlyMap<string, ProxySection>
  private readonly used = new Set<string>()
  private readonly report: Report

  constructor(proxies: readonly ProxySection[], report: Report) {
    this.proxies = new Map(proxies.filter(({ hasServers }) => hasServers).map((proxy) => [proxy.name, proxy]))
    this.report = report
  }

  /** The target for a backend, used from a frontend at the path prefixes `paths`; null = there is none of that name. */
  target(name: string, frontend: ProxySection, paths: readonly string[] | null): Target | null {
    const proxy = this.proxies.get(name)
    if (proxy === undefined) return null
    this.used.add(name)
    const { report } = this
    report.take(proxy.section.line)
    const servers = readServers(proxy, report)
    const pool: PoolDraft = { name: nameOf(name), servers: servers.map(({ server }) => server) }
    const sections = proxy === frontend ? [proxy] : [frontend, proxy]
    const app = isVersionName(name) ? nameOf(frontend.name) : (appOf(name) ?? name)
    const isStripped = this.stripsPrefix(proxy, paths)
    return {
      names: [app, name],
      pools: [pool],
      settings: { ...readPolicies(proxy, servers, report), ...readFields(sections, report) },
      ...(isStripped ? { stripPrefix: true } : {}),
    }
  }

  /** The section of a backend; null = there is none of that name. */
  section(name: string): ProxySection | null {
    return this.proxies.get(name) ?? null
  }

  /** Backends that no frontend names. */
  get unused(): readonly ProxySection[] {
    return [...this.proxies.values()].filter(({ name, servesClients }) => !this.used.has(name) && !servesClients)
  }

  /** Whether a backend cuts off the prefix by which it is found. */
  private stripsPrefix(proxy: ProxySection, paths: readonly string[] | null): boolean {
    const lines = ['set-path', 'replace-path', 'set-uri', 'replace-uri', 'set-pathq'].flatMap((action) =>
      proxy.own('http-request', action),
    )
    return lines.some((line) => {
      const prefix = strippedPrefix(line)
      if (prefix !== null && paths?.length === 1 && paths[0] === prefix) {
        this.report.take(line)
        return true
      }
      this.report.leftOut(
        line,
        'Cutover changes no paths, apart from stripPrefix; a hook does (r.setPath, docs/programming.md)',
      )
      return false
    })
  }
}

/** `/api` of `set-path %[path,regsub(^/api/?,/)]` and of `replace-path /api(/)?(.*) /\2`; null = another change. */
function strippedPrefix({ words }: Line): string | null {
  const [, action, first = '', second = ''] = words
  const isUnconditional = words.length <= (action === 'set-path' ? 3 : 4)
  const [, regsub] = /^%\[path,regsub\(\^(\/[\w/.-]*?)\/\??,\/\)\]$/.exec(first) ?? []
  if (action === 'set-path' && isUnconditional) return regsub ?? null
  const [, replaced] =
    /^\^?(\/[\w/.-]*?)(?:\(\/\)\?\(\.\*\)|\/\(\.\*\)|\/\?\(\.\*\)|\(\/\.\*\)\??)\$?$/.exec(first) ?? []
  return action === 'replace-path' && isUnconditional && /^\/?\\[12]$/.test(second) ? (replaced ?? null) : null
}
