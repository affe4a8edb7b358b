import type { Place, Report, Statement } from '../report.ts'

/** A value of a file, with its line, whatever the file's format. Keys are found whatever their case, as Traefik does. */
export class Tree {
  readonly place: Place
  /** Keys from the root on. */
  readonly path: readonly string[]
  private readonly children = new Map<string, { readonly key: string; readonly tree: Tree }>()
  private leaf: Statement | null = null
  private value = ''

  constructor(place: Place, path: readonly string[] = []) {
    this.place = place
    this.path = path
  }

  /** The child of that name, made if it is not there. */
  grow(key: string, place: Place): Tree {
    const known = this.children.get(key.toLowerCase())
    if (known !== undefined) return known.tree
    const tree = new Tree(place, [...this.path, key])
    this.children.set(key.toLowerCase(), { key, tree })
    return tree
  }

  /** Gives it a value. `text`: the statement as people know it; by default keys and value. */
  put(value: string, text = `${this.path.join('.')}: ${value}`): void {
    this.value = value
    this.leaf = { ...this.place, text }
  }

  /** The child at a path; null = there is none. */
  at(...keys: readonly string[]): Tree | null {
    let tree: Tree | null = this
    for (const key of keys) tree = tree?.children.get(key.toLowerCase())?.tree ?? null
    return tree
  }

  get entries(): readonly (readonly [string, Tree])[] {
    return [...this.children.values()].map(({ key, tree }) => [key, tree] as const)
  }

  get items(): readonly Tree[] {
    return [...this.children.values()].map(({ tree }) => tree)
  }

  /** Something to name in a remark about the whole. */
  get statement(): Statement {
    const [first] = this.leaves
    return this.leaf ?? first ?? { ...this.place, text: this.path.join('.') }
  }

  /** The value at a path, counted as taken; null = there is none. */
  text(report: Report, ...keys: readonly string[]): string | null {
    const tree = this.at(...keys)
    if (tree === null || tree.leaf === null) return null
    report.take(tree.leaf)
    return tree.value
  }

  flag(report: Report, ...keys: readonly string[]): boolean {
    return /^true$/i.test(this.text(report, ...keys) ?? '')
  }

  /** The values at a path: a list, or a text with commas. */
  list(report: Report, ...keys: readonly string[]): readonly string[] {
    const tree = this.at(...keys)
    if (tree === null) return []
    const own = tree.text(report)
    if (own !== null)
      return own
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '')
    return tree.items.flatMap((item) => item.text(report) ?? [])
  }

  /** All statements in it. */
  get leaves(): readonly Statement[] {
    // An empty mapping that has got something in it is none.
    const isFilled = this.value === '{}' && this.children.size > 0
    const own = this.leaf === null || isFilled ? [] : [this.leaf]
    return [...own, ...this.items.flatMap((item) => item.leaves)]
  }
}
