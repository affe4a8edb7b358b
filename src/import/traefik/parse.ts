import { type AST, parseTOML } from 'toml-eslint-parser'
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { Unreadable } from '../unreadable.ts'
import { Tree } from './tree.ts'

/** Reads a file in YAML or TOML. Throws Unreadable. */
export function parseTree(file: string, text: string): Tree {
  const isToml = /\.toml$/i.test(file) || /^\s*\[\[?[\w."'-]+\]\]?\s*(#.*)?$/m.test(text)
  return isToml ? fromToml(file, text) : fromYaml(file, text)
}

function fromYaml(file: string, text: string): Tree {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false, logLevel: 'error' })
  const [error] = document.errors
  if (error !== undefined) throw new Unreadable({ file, line: lines.linePos(error.pos[0]).line }, error.message)
  const root = new Tree({ file, line: 1 })
  const place = (node: { range?: readonly number[] | null } | null) => ({
    file,
    line: lines.linePos(node?.range?.[0] ?? 0).line,
  })
  const grow = (tree: Tree, node: Node | null): void => {
    const value = isAlias(node) ? (node.resolve(document) ?? null) : node
    if (isMap(value)) {
      if (value.items.length === 0) tree.put('{}')
      for (const pair of value.items) {
        const key = isScalar(pair.key) ? String(pair.key.value) : ''
        grow(key === '<<' ? tree : tree.grow(key, place(pair.key as Node)), (pair.value ?? null) as Node | null)
      }
    } else if (isSeq(value)) {
      for (const [index, item] of value.items.entries())
        grow(tree.grow(String(index), place(item as Node)), item as Node)
    } else if (isScalar(value)) tree.put(value.value === null ? '' : String(value.value))
    else if (value === null) tree.put('')
  }
  if (!isMap(document.contents))
    throw new Unreadable(file, 'has no keys and values in it; is this a configuration of Traefik?')
  grow(root, document.contents)
  return root
}

function fromToml(file: string, text: string): Tree {
  let program: AST.TOMLProgram
  try {
    program = parseTOML(text)
  } catch (error) {
    const { message, lineNumber = 1 } = error as Error & { readonly lineNumber?: number }
    throw new Unreadable({ file, line: lineNumber }, message)
  }
  const root = new Tree({ file, line: 1 })
  for (const node of program.body[0].body) {
    if (node.type === 'TOMLKeyValue') growPair(root, node, file)
    else {
      const table = node.resolvedKey.reduce<Tree>(
        (tree, key) => tree.grow(String(key), { file, line: node.loc.start.line }),
        root,
      )
      if (node.body.length === 0) table.put('{}')
      for (const pair of node.body) growPair(table, pair, file)
    }
  }
  return root
}

function growPair(parent: Tree, pair: AST.TOMLKeyValue, file: string): void {
  const place = { file, line: pair.loc.start.line }
  const keys = pair.key.keys.map((key) => (key.type === 'TOMLBare' ? key.name : key.value))
  growContent(
    keys.reduce<Tree>((tree, key) => tree.grow(key, place), parent),
    pair.value,
    file,
  )
}

function growContent(tree: Tree, node: AST.TOMLContentNode, file: string): void {
  if (node.type === 'TOMLValue') tree.put(String(node.value))
  else if (node.type === 'TOMLInlineTable') for (const pair of node.body) growPair(tree, pair, file)
  else
    for (const [index, item] of node.elements.entries())
      growContent(tree.grow(String(index), { file, line: item.loc.start.line }), item, file)
}

/** Puts a value at a path such as `http.services.web.weighted.services[0].name`; `text`: the statement as written. */
export function putAt(
  root: Tree,
  path: string,
  value: string,
  place: { file: string; line: number },
  text: string,
): void {
  const keys = path.replace(/\[(\d+)\]/g, '.$1').split('.')
  keys.reduce<Tree>((tree, key) => tree.grow(key, place), root).put(value, text)
}
