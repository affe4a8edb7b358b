import { listenerFileProblems } from '../edge/listener-files.ts'
import type { AcmeSettings } from '../model/acme.ts'
import type { TlsSettings } from '../model/listener-tls.ts'
import type { ListenAddress } from '../net/listen-address.ts'
import type { ProxyListener } from './config.ts'
import { childPath, type Problems } from './problems.ts'
import type { FileSettings } from './schema/file.ts'

type ProxyListens = FileSettings['proxy']['listen']
type ProxyListen = Exclude<ProxyListens, readonly unknown[]>

/** The part of a listener that all of them have. */
export interface Listen {
  readonly address: ListenAddress
  readonly mode?: number
}

/**
 * Checks TLS of the listeners beyond the schema: whether this machine has the files and can use them, and whether redirects
 * make sense.
 */
export function checkListenerTls(listen: ProxyListens, problems: Problems): void {
  for (const [index, { tls, h2c, redirectToHttps }] of [listen].flat().entries()) {
    const at = Array.isArray(listen) ? childPath('proxy.listen', index) : 'proxy.listen'
    if (tls !== undefined && redirectToHttps != null)
      problems.add(childPath(at, 'redirectToHttps'), 'is for a listener without tls; leave it out')
    if (tls !== undefined && h2c === true)
      problems.add(childPath(at, 'h2c'), 'is HTTP/2 without TLS; with tls, alpn offers HTTP/2')
    if (tls === undefined) continue
    const settings = tlsSettings(tls)
    if (settings.certificates.length === 0 && settings.acme === null)
      problems.add(childPath(at, 'tls'), 'needs certificates, or acme to order them')
    checkRepeated(settings, childPath(at, 'tls'), problems)
    for (const { at: keys, message } of listenerFileProblems(settings))
      problems.add(keys.reduce<string>(childPath, childPath(at, 'tls')), message)
  }
  checkAcme(listen, problems)
}

/** Refuses names that stand twice in a list, and those that two listeners would order in different ways. */
function checkAcme(listen: ProxyListens, problems: Problems): void {
  const owners = new Map<string, { readonly at: string; readonly acme: AcmeSettings }>()
  for (const [index, { tls }] of [listen].flat().entries()) {
    if (tls?.acme === undefined) continue
    const { acme } = tlsSettings(tls)
    if (acme === null) continue
    const listener = Array.isArray(listen) ? childPath('proxy.listen', index) : 'proxy.listen'
    const at = childPath(childPath(listener, 'tls'), 'acme')
    for (const [each, domain] of acme.domains.entries()) {
      const path = childPath(childPath(at, 'domains'), each)
      const owner = owners.get(domain)
      if (owner === undefined) owners.set(domain, { at, acme })
      else if (owner.at === at) problems.add(path, `${domain} stands twice`)
      else if (wayOf(owner.acme) !== wayOf(acme))
        problems.add(
          path,
          `${domain} is ordered by ${owner.at} as well, which differs; make them the same beside domains`,
        )
    }
  }
}

/** What decides how certificates are ordered. */
function wayOf({ domains: _, ...way }: AcmeSettings): string {
  return JSON.stringify(way)
}

/** Refuses a file that stands twice: it would never be chosen, and metrics could not tell the two apart. */
function checkRepeated({ certificates }: TlsSettings, at: string, problems: Problems): void {
  for (const [index, { cert }] of certificates.entries()) {
    const first = certificates.findIndex((other) => other.cert === cert)
    if (first === index) continue
    const owner = childPath(childPath(at, 'certificates'), first)
    problems.add(childPath(childPath(childPath(at, 'certificates'), index), 'cert'), `is that of ${owner} as well`)
  }
}

/** The listener as the rest of the program has it. */
export function proxyListener(listen: ProxyListen): ProxyListener {
  const { proxyProtocol, h2c, tls, redirectToHttps } = listen
  return {
    ...listenAddress(listen),
    ...(proxyProtocol === true ? { proxyProtocol } : {}),
    ...(h2c === true ? { h2c } : {}),
    ...(tls === undefined ? {} : { tls: tlsSettings(tls) }),
    ...(redirectToHttps == null ? {} : { redirectToHttps }),
  }
}

export function listenAddress({ address, mode }: Listen): ListenAddress {
  return address.kind === 'unix' && mode !== undefined ? { ...address, mode } : address
}

function tlsSettings({ clientAuth = null, acme, ...tls }: NonNullable<ProxyListen['tls']>): TlsSettings {
  return { ...tls, clientAuth, acme: acme === undefined ? null : { ...acme, ca: acme.ca ?? null } }
}
