import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { emptyProxy } from '../draft.ts'
import type { Imported } from '../imported.ts'
import type { Report } from '../report.ts'
import { sizeOf } from '../units.ts'
import { Unreadable } from '../unreadable.ts'
import { fromCompose, isCompose } from './compose.ts'
import { parseTree } from './parse.ts'
import { type Routed, readRouters } from './routers.ts'
import { readStatic, reportRest } from './static.ts'
import type { Tree } from './tree.ts'

const KNOWN = ['http', 'tcp', 'udp', 'tls', 'entryPoints', 'providers']

/**
 * Reads a dynamic configuration of Traefik, a static one with the dynamic files that it names (YAML or TOML), or the labels in
 * a file of Docker Compose. Throws Unreadable.
 */
export function readTraefik(file: string, text: string, report: Report): Imported {
  const given = parseTree(file, text)
  const root = isCompose(given) ? fromCompose(given, report) : given
  if (!KNOWN.some((key) => root.at(key) !== null))
    throw new Unreadable(file, 'has neither http nor entryPoints of Traefik in it, nor labels for it')
  const trees = [root, ...filesOf(root, file, report)]
  const entryPoints = trees.flatMap((tree) => tree.at('entryPoints')?.items ?? [])
  const common = [...new Set(entryPoints.flatMap((entry) => entry.list(report, 'http', 'middlewares')))]
  const routed = trees.flatMap((tree) => {
    const http = tree.at('http')
    return http === null ? [] : [readRouters(http, common, report)]
  })
  const proxy = emptyProxy()
  for (const tree of trees) readStatic(tree, proxy, report)
  readSizes(routed, proxy, report)
  for (const tree of trees) reportRest(tree, report)
  return { proxy, rules: routed.flatMap(({ rules }) => rules) }
}

function readSizes(routed: readonly Routed[], proxy: Imported['proxy'], _report: Report): void {
  const sizes = routed.flatMap(({ bodyBytes }) => bodyBytes)
  if (sizes.length === 0) return
  proxy.limits.bodyBytes = sizeOf(Math.max(...sizes))
  proxy.comments.push('bodyBytes holds for all requests; it is the largest maxRequestBodyBytes')
}

/** The dynamic files that `providers.file` names. */
function filesOf(root: Tree, file: string, report: Report): readonly Tree[] {
  const provider = root.at('providers', 'file')
  if (provider === null) return []
  const folder = file === '-' ? process.cwd() : dirname(file)
  const [name, directory] = [provider.text(report, 'filename'), provider.text(report, 'directory')]
  const watch = provider.at('watch')
  if (watch !== null) report.notNeeded(watch.statement, 'Cutover reads its file again on SIGHUP')
  const paths = [
    ...(name === null ? [] : [inFolder(folder, name)]),
    ...(directory === null ? [] : globSync(join(inFolder(folder, directory), '*.{yml,yaml,toml}')).sort()),
  ]
  return paths.flatMap((path) => {
    try {
      return [parseTree(path, readFileSync(path, 'utf8'))]
    } catch (error) {
      if (error instanceof Unreadable) throw error
      report.leftOut(provider.statement, `cannot read ${path} here`)
      return []
    }
  })
}

/** A path of the machine of Traefik; a file of that name beside the static one will do. */
function inFolder(folder: string, path: string): string {
  return path.startsWith('/') ? path.replace(/^\/etc\/traefik\//, `${folder}/`) : join(folder, path)
}
