import { globSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { Report } from '../report.ts'
import { Unreadable } from '../unreadable.ts'
import { parseCaddyfile, type Segment } from './parse.ts'

/** Max depth of snippets and files within others. */
const MAX_DEPTH = 16

/** Replaces `import` by snippets and files. Reports those that are not there. */
export function withImports(segments: readonly Segment[], mainFile: string, report: Report): readonly Segment[] {
  const folder = mainFile === '-' ? process.cwd() : dirname(mainFile)
  const snippets = new Map<string, readonly Segment[]>()
  const expand = (list: readonly Segment[], depth: number): readonly Segment[] =>
    list.flatMap((segment) => {
      const { words, block } = segment
      const [first = '', name = '', ...values] = words
      const [, snippet] = /^\((.+)\)$/.exec(first) ?? []
      if (snippet !== undefined && block !== null) {
        snippets.set(snippet, block)
        report.take(segment)
        return []
      }
      if (first !== 'import') return [block === null ? segment : { ...segment, block: expand(block, depth) }]
      if (depth >= MAX_DEPTH) throw new Unreadable(segment, 'imports go round in a circle')
      report.take(segment)
      const known = snippets.get(name)
      if (known !== undefined)
        return expand(
          known.map((each) => withValues(each, values)),
          depth + 1,
        )
      const paths = globSync(isAbsolute(name) ? name : join(folder, name)).sort()
      if (paths.length === 0) report.leftOut(segment, 'there is no such snippet or file here')
      return expand(
        paths.flatMap((path) => parseCaddyfile(path, readFileSync(path, 'utf8'))),
        depth + 1,
      )
    })
  return expand(segments, 0)
}

/** A line of a snippet with `{args[0]}` replaced. */
function withValues(segment: Segment, values: readonly string[]): Segment {
  if (values.length === 0) return segment
  const put = (text: string) =>
    text.replace(/\{args[[.](\d+)\]?\}/g, (whole, index: string) => values[Number(index)] ?? whole)
  const block = segment.block?.map((each) => withValues(each, values)) ?? null
  return { ...segment, text: put(segment.text), words: segment.words.map(put), block }
}
