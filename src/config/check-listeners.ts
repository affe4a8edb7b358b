import { listenerFileProblems } from '../edge/listener-files.ts'
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
  for (const [index, { tls, redirectToHttps }] of [listen].flat().entries()) {
    const at = Array.isArray(listen) ? childPath('proxy.listen', index) : 'proxy.listen'
    if (tls !== undefined && redirectToHttps != null)
      problems.add(childPath(at, 'redirectToHttps'), 'is for a listener without tls; leave it out')
    if (tls === undefined) continue
    const settings = tlsSettings(tls)
    checkRepeated(settings, childPath(at, 'tls'), problems)
    for (const { at: keys, message } of listenerFileProblems(settings))
      problems.add(keys.reduce<string>(childPath, childPath(at, 'tls')), message)
  }
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
  const { proxyProtocol, tls, redirectToHttps } = listen
  return {
    ...listenAddress(listen),
    ...(proxyProtocol === true ? { proxyProtocol } : {}),
    ...(tls === undefined ? {} : { tls: tlsSettings(tls) }),
    ...(redirectToHttps == null ? {} : { redirectToHttps }),
  }
}

export function listenAddress({ address, mode }: Listen): ListenAddress {
  return address.kind === 'unix' && mode !== undefined ? { ...address, mode } : address
}

function tlsSettings({ clientAuth = null, ...tls }: NonNullable<ProxyListen['tls']>): TlsSettings {
  return { ...tls, clientAuth }
}
