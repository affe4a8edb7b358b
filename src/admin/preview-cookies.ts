export interface Cookie {
  readonly name: string
  readonly value: string
}

/** The cookies of a Cookie field, in their order. */
export function cookies(field: string | undefined): readonly Cookie[] {
  if (field === undefined) return []
  return field.split(';').flatMap((pair) => {
    const at = pair.indexOf('=')
    return at === -1 ? [] : [{ name: pair.slice(0, at).trim(), value: pair.slice(at + 1).trim() }]
  })
}

/**
 * The Cookie field for an app, with only the cookies whose name `isOfApp` accepts; undefined if there are none. Cookies ignore
 * ports, so a browser also sends cookies of other servers on this host. Of two with the same name the first is the app's,
 * since its path is longer (RFC 6265 §5.4).
 */
export function cookieField(field: string | undefined, isOfApp: (name: string) => boolean): string | undefined {
  const kept = new Map<string, string>()
  for (const { name, value } of cookies(field)) if (isOfApp(name) && !kept.has(name)) kept.set(name, value)
  return kept.size === 0 ? undefined : [...kept].map(([name, value]) => `${name}=${value}`).join('; ')
}

/**
 * Confines a Set-Cookie field of an app to this host and to paths below `prefix` (`/preview/shop/green`). Secure, and
 * attributes that require it, are removed, since the preview is plain HTTP, where a browser would drop the cookie.
 */
export function confined(setCookie: string, prefix: string): string {
  const [pair = '', ...attributes] = setCookie.split(';').map((part) => part.trim())
  const kept = attributes.flatMap((attribute) => {
    const [name = '', value = ''] = attribute.split('=').map((part) => part.trim())
    switch (name.toLowerCase()) {
      case 'domain':
      case 'secure':
      case 'partitioned':
        return []
      case 'samesite':
        return value.toLowerCase() === 'none' ? [] : [attribute]
      case 'path':
        return value.startsWith('/') ? [`Path=${prefix}${value}`] : []
      default:
        return [attribute]
    }
  })
  return [pair, ...kept].join('; ')
}
