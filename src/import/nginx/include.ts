import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import type { Report } from '../report.ts'
import { Unreadable } from '../unreadable.ts'
import { type Directive, parseNginx } from './parse.ts'

/** Files that have nothing to do with a proxy's decisions. */
const UNIMPORTANT =
  /^(mime\.types|.*fastcgi(_params|\.conf|-php\.conf)|uwsgi_params|scgi_params|modules-enabled|.*modules.*\.conf|koi-.*|win-utf)$/
/** Max depth of files that include files. */
const MAX_DEPTH = 16
/** Where nginx looks for its files, if the main file is a copy of that there. */
const NGINX_FOLDER = '/etc/nginx/'

/** Replaces `include` by the directives of the files, recursively. Reports files that cannot be read. */
export function withIncludes(directives: readonly Directive[], mainFile: string, report: Report): readonly Directive[] {
  const folder = mainFile === '-' ? process.cwd() : dirname(mainFile)
  const expand = (list: readonly Directive[], depth: number): readonly Directive[] =>
    list.flatMap((directive) => {
      const { name, args, block } = directive
      if (block !== null) return [{ ...directive, block: expand(block, depth) }]
      if (name !== 'include') return [directive]
      const [pattern = ''] = args
      if (UNIMPORTANT.test(basename(pattern)) || UNIMPORTANT.test(basename(dirname(pattern)))) {
        report.notNeeded(directive, 'Cutover serves no files and speaks no FastCGI')
        return []
      }
      if (depth >= MAX_DEPTH) throw new Unreadable(directive, 'files include each other without an end')
      return expand(readFiles(directive, pathsOf(pattern, folder), report), depth + 1)
    })
  return expand(directives, 0)
}

function pathsOf(pattern: string, folder: string): readonly string[] {
  if (!isAbsolute(pattern)) return matches(join(folder, pattern))
  const found = matches(pattern)
  if (found.length > 0 || !pattern.startsWith(NGINX_FOLDER)) return found
  return matches(join(folder, pattern.slice(NGINX_FOLDER.length)))
}

function matches(pattern: string): readonly string[] {
  return globSync(pattern).sort()
}

function readFiles(include: Directive, paths: readonly string[], report: Report): readonly Directive[] {
  report.take(include)
  const isPattern = /[*?[]/.test(include.args[0] ?? '')
  if (paths.length === 0 && isPattern) report.notNeeded(include, 'no file here matches it')
  if (paths.length === 0 && !isPattern)
    report.leftOut(include, 'there is no such file here; run the command where it is, or copy it beside the main file')
  return paths.flatMap((path) => {
    try {
      return parseNginx(path, readFileSync(path, 'utf8'))
    } catch (error) {
      if (error instanceof Unreadable) throw error
      report.leftOut(include, `cannot read ${path}: ${(error as Error).message}`)
      return []
    }
  })
}
