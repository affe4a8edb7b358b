import type { Config, ProxyListener } from './config.ts'

/** What may keep certificates from being issued, though the configuration can be used. Sentences for people. */
export function acmeRemarks({ proxy: { listen }, store }: Pick<Config, 'proxy' | 'store'>): readonly string[] {
  const ordering = listen.flatMap(({ tls }) => tls?.acme ?? [])
  if (ordering.length === 0) return []
  const remarks: string[] = []
  const plain = listen.filter(({ tls }) => tls === undefined)
  if (ordering.some(({ challenge }) => challenge === 'http-01')) {
    if (plain.length === 0)
      remarks.push('acme: http-01 needs a listener without tls that ACME servers reach at port 80; there is none')
    else if (!plain.some((listener) => mayBeAt(listener, 80)))
      remarks.push(
        'acme: http-01 is asked for at port 80, and no listener without tls has it; see to a port forwarding',
      )
  }
  if (ordering.some(({ challenge }) => challenge === 'tls-alpn-01')) {
    const secure = listen.filter(({ tls }) => tls !== undefined)
    if (!secure.some((listener) => mayBeAt(listener, 443)))
      remarks.push(
        'acme: tls-alpn-01 is asked for at port 443, and no listener with tls has it; see to a port forwarding',
      )
  }
  const local = ordering.flatMap(({ domains }) => domains).filter((domain) => !domain.includes('.'))
  if (local.length > 0)
    remarks.push(`acme: ${local.join(', ')}: only a private ACME server issues for a name without a dot`)
  if (store.redis !== null && store.secret === '')
    remarks.push(
      'acme: the private keys of certificates are in Redis in plain text; set store.secret (16 characters or more) at all instances',
    )
  return remarks
}

/** Whether a listener has this port, as far as is known: the port of an inherited socket is not. */
function mayBeAt(listener: ProxyListener, port: number): boolean {
  return listener.kind === 'fd' || (listener.kind === 'tcp' && listener.port === port)
}
