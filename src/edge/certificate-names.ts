/** Finds the certificate for the name that a client asks for: exact names come before wildcards, earlier ones before later ones. */
export class CertificateNames<T> {
  private readonly exact = new Map<string, T>()
  /** By the name without its first label. */
  private readonly wildcard = new Map<string, T>()

  /** `certificates`: with their names in lower case. */
  constructor(certificates: Iterable<{ readonly names: readonly string[]; readonly value: T }>) {
    for (const { names, value } of certificates) {
      for (const name of names) {
        const isWildcard = name.startsWith('*.')
        const known = isWildcard ? this.wildcard : this.exact
        const key = isWildcard ? name.slice(2) : name
        if (!known.has(key)) known.set(key, value)
      }
    }
  }

  /** A wildcard stands for exactly one label (RFC 6125 §6.4.3). undefined = no certificate has the name. */
  find(serverName: string): T | undefined {
    const name = serverName.toLowerCase()
    const dot = name.indexOf('.')
    return this.exact.get(name) ?? (dot > 0 ? this.wildcard.get(name.slice(dot + 1)) : undefined)
  }
}
