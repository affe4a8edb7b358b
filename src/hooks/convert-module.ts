import { type ExportNamedDeclaration, type ImportDeclaration, type Node, type Program, parse } from 'acorn'

/** An import of a module, before its specifier is resolved. */
export interface FoundImport {
  readonly local: string
  readonly specifier: string
  readonly name: string
  readonly line: number
}

export interface ConvertedModule {
  readonly code: string
  readonly imports: readonly FoundImport[]
  /** Line of the default export, and of the properties of an object there, by name. */
  readonly lines: Readonly<Record<string, number>>
}

/** Names in place of what only modules have. Of the same length, so that columns stay as they are. */
export const NAMES = { default: 'let $default =', meta: '$importMeta', load: '$load$' } as const
const EXPORT_DEFAULT = 'export default'

/** The code of a module cannot be read; `line` is where. */
export class UnreadableModule extends Error {
  override name = 'UnreadableModule'
  readonly line: number

  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

/**
 * Converts a module into the body of a function that returns its exports. What it imports becomes parameters, so that the
 * function can be called again and again, and forgotten: Node never frees a module that was imported. Lines stay as they
 * are. Throws UnreadableModule.
 */
export function convertModule(source: string): ConvertedModule {
  const { body } = parsed(source)
  const conversion = new Conversion(source)
  for (const node of body) conversion.take(node)
  conversion.replaceWithin(body)
  return { code: conversion.code(), imports: conversion.imports, lines: linesOf(body) }
}

function parsed(source: string): Program {
  try {
    return parse(source, {
      ecmaVersion: 'latest',
      sourceType: 'module',
      // A function that is not asynchronous runs it, so that all hooks change in one step.
      allowAwaitOutsideFunction: false,
      locations: true,
    })
  } catch (error) {
    const { message, loc } = error as SyntaxError & { loc?: { line: number } }
    throw new UnreadableModule(message.replace(/ \(\d+:\d+\)$/, ''), loc?.line ?? 1)
  }
}

class Conversion {
  readonly imports: FoundImport[] = []
  private readonly source: string
  private readonly edits: { start: number; end: number; text: string }[] = []
  /** Getters of the exports. */
  private readonly exports: string[] = []
  /** The imports of which all exports are exported as well; those of the module itself win over them. */
  private readonly passedOn: string[] = []

  constructor(source: string) {
    this.source = source
  }

  /** Converts a statement at the top of the module. */
  take(node: Program['body'][number]): void {
    switch (node.type) {
      case 'ImportDeclaration':
        this.takeImport(node)
        break
      case 'ExportAllDeclaration': {
        const local = this.importedFrom(node.source.value, node.exported ? '*' : '**', node)
        if (node.exported) this.exports.push(getter(nameOf(node.exported), local))
        else this.passedOn.push(`...${local}`)
        this.blank(node.start, node.end)
        break
      }
      case 'ExportDefaultDeclaration': {
        const { declaration } = node
        const name = 'id' in declaration && declaration.type !== 'ClassExpression' ? declaration.id?.name : undefined
        this.exports.push(getter('default', name ?? '$default'))
        if (name !== undefined) this.blank(node.start, declaration.start)
        else {
          const spaces = this.source.slice(node.start + EXPORT_DEFAULT.length, declaration.start)
          this.edits.push({ start: node.start, end: declaration.start, text: NAMES.default + spaces })
          if (declaration.end === node.end) this.edits.push({ start: node.end, end: node.end, text: ';' })
        }
        break
      }
      case 'ExportNamedDeclaration':
        this.takeExport(node)
        break
    }
  }

  /** Replaces `import.meta` and `import()` wherever they are. */
  replaceWithin(value: unknown): void {
    if (Array.isArray(value)) for (const each of value) this.replaceWithin(each)
    else if (isNode(value)) {
      if (value.type === 'MetaProperty' && this.source.startsWith('import', value.start))
        this.edits.push({ start: value.start, end: value.end, text: NAMES.meta })
      if (value.type === 'ImportExpression')
        this.edits.push({ start: value.start, end: value.start + 'import'.length, text: NAMES.load })
      for (const inner of Object.values(value)) if (typeof inner === 'object') this.replaceWithin(inner)
    }
  }

  code(): string {
    let code = ''
    let at = 0
    for (const { start, end, text } of this.edits.sort((a, b) => a.start - b.start)) {
      code += this.source.slice(at, start) + text
      at = end
    }
    return `${code}${this.source.slice(at)}\nreturn { ${[...this.passedOn, ...this.exports].join(', ')} }`
  }

  private takeImport(node: ImportDeclaration): void {
    const specifier = String(node.source.value)
    // A type that is imported without `type` is a value to Node.
    if (node.specifiers.length === 0) this.importedFrom(specifier, '*', node)
    for (const each of node.specifiers) {
      const name =
        each.type === 'ImportSpecifier'
          ? nameOf(each.imported)
          : each.type === 'ImportDefaultSpecifier'
            ? 'default'
            : '*'
      this.imports.push({ local: each.local.name, specifier, name, line: lineOf(each) })
    }
    this.blank(node.start, node.end)
  }

  private takeExport(node: ExportNamedDeclaration): void {
    const { declaration, source, specifiers } = node
    if (declaration) {
      for (const name of declaredNames(declaration)) this.exports.push(getter(name, name))
      this.blank(node.start, declaration.start)
      return
    }
    for (const { local, exported } of specifiers) {
      const name = source ? this.importedFrom(source.value, nameOf(local), node) : nameOf(local)
      this.exports.push(getter(nameOf(exported), name))
    }
    this.blank(node.start, node.end)
  }

  /** Adds an import under a name of its own. Returns that name. */
  private importedFrom(specifier: unknown, name: string, node: Node): string {
    const local = `$import${this.imports.length}`
    this.imports.push({ local, specifier: String(specifier), name, line: lineOf(node) })
    return local
  }

  private blank(start: number, end: number): void {
    this.edits.push({ start, end, text: this.source.slice(start, end).replace(/[^\r\n\u2028\u2029]/g, ' ') })
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

function lineOf(node: Node): number {
  return node.loc?.start.line ?? 1
}

function nameOf(node: Node & { readonly name?: string; readonly value?: unknown }): string {
  return node.name ?? String(node.value)
}

function getter(name: string, local: string): string {
  return `get ${JSON.stringify(name)}() { return ${local} }`
}

/** The names that a declaration, or the pattern of a variable, declares. */
function declaredNames(node: unknown): string[] {
  if (!isNode(node)) return []
  const { id, declarations, name, properties, elements, value, argument, left } = node as Node & Record<string, unknown>
  switch (node.type) {
    case 'Identifier':
      return [String(name)]
    case 'VariableDeclaration':
      return (declarations as unknown[]).flatMap(declaredNames)
    case 'ObjectPattern':
      return (properties as unknown[]).flatMap(declaredNames)
    case 'ArrayPattern':
      return (elements as unknown[]).flatMap(declaredNames)
    case 'Property':
      return declaredNames(value)
    case 'RestElement':
      return declaredNames(argument)
    case 'AssignmentPattern':
      return declaredNames(left)
    default:
      return declaredNames(id)
  }
}

/** Lines of the default export and of its properties, if it is an object that is written out in this file. */
function linesOf(body: Program['body']): Record<string, number> {
  const node = body.find((each) => each.type === 'ExportDefaultDeclaration')
  if (node === undefined) return {}
  const lines: Record<string, number> = { default: lineOf(node) }
  const { declaration } = node
  const variable = declaration.type === 'Identifier' ? declaration.name : null
  const object = variable === null ? declaration : initialValue(body, variable)
  if (object?.type !== 'ObjectExpression') return lines
  for (const property of object.properties) {
    if (property.type !== 'Property' || property.computed) continue
    lines[nameOf(property.key)] = lineOf(property)
  }
  return lines
}

/** The value that a variable at the top of a module begins with. */
function initialValue(body: Program['body'], variable: string) {
  for (const node of body) {
    if (node.type !== 'VariableDeclaration') continue
    for (const { id, init } of node.declarations) if (id.type === 'Identifier' && id.name === variable) return init
  }
  return null
}
