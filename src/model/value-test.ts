/** A condition on one value: everything that is given must hold. */
export type ValueTest = {
  readonly exact?: string
  /** true: there is a value, whatever it is; false: there is none. */
  readonly present?: boolean
  readonly prefix?: string
  readonly suffix?: string
  readonly contains?: string
}

/** Whether a value fulfils all parts of a test; null = there is no value. */
export function holds({ exact, present, prefix, suffix, contains }: ValueTest, value: string | null): boolean {
  if (value === null) return present === false
  return (
    present !== false &&
    (exact === undefined || value === exact) &&
    (prefix === undefined || value.startsWith(prefix)) &&
    (suffix === undefined || value.endsWith(suffix)) &&
    (contains === undefined || value.includes(contains))
  )
}

/** What a test wants of a value that is there, in words: `"on" and a value that …`. */
export function wanted({ exact, present, prefix, suffix, contains }: ValueTest): string {
  const parts = [
    ...(exact === undefined ? [] : [JSON.stringify(exact)]),
    ...(prefix === undefined ? [] : [`a value that begins with ${JSON.stringify(prefix)}`]),
    ...(suffix === undefined ? [] : [`a value that ends with ${JSON.stringify(suffix)}`]),
    ...(contains === undefined ? [] : [`a value that contains ${JSON.stringify(contains)}`]),
  ]
  if (parts.length > 0) return parts.join(' and ')
  return present === false ? 'none' : 'a value'
}
