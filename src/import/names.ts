/** Max length of a name in Cutover. */
const MAX_LENGTH = 63

/** A text as a name in Cutover: letters, digits, dots, dashes and underscores. */
export function nameOf(text: string, fallback = 'app'): string {
  const name = text
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+|[-._]+$/g, '')
    .slice(0, MAX_LENGTH)
  return name === '' ? fallback : name
}

/** Gives out names, each once. */
export class UniqueNames {
  private readonly taken = new Set<string>()

  /** The first of these names that is free, or the first one with a number behind it. */
  pick(wanted: readonly string[]): string {
    const names = wanted.map((name) => nameOf(name))
    const [first = 'app'] = names
    let name = names.find((each) => !this.taken.has(each))
    for (let n = 2; name === undefined; n++) {
      const numbered = `${first.slice(0, MAX_LENGTH - 5)}-${n}`
      if (!this.taken.has(numbered)) name = numbered
    }
    this.taken.add(name)
    return name
  }
}

/** Words for versions of one app, which make no name for a service. */
const VERSION_WORDS = /^(blue|green|stable|canary|old|new|current|next|primary|secondary|v\d+[\d.]*)$/i

/** Whether a name is that of a version rather than of an app: `blue`, `v2`. */
export function isVersionName(name: string): boolean {
  return VERSION_WORDS.test(name)
}

/** What names of versions of one app have in common: `shop` for `shop_blue` and `shop-v2`; null = it is no such name. */
export function appOf(name: string): string | null {
  const words = name.split(/[-_.]/)
  const rest = words.filter((word) => !isVersionName(word))
  return rest.length === words.length ? null : rest.join('-')
}
