import { type Certificate, readCertificate } from '../../edge/certificate.ts'
import { isCertificate, loadAuthorities, loadCertificate } from '../../edge/listener-files.ts'
import { WatchedReading } from '../../edge/watched-reading.ts'
import type { CertificateFiles, ListenerTls, ServedCertificate, TlsSettings } from '../../model/listener-tls.ts'

/** A certificate of a listener, with the files that it comes from. */
export interface WatchedCertificate {
  readonly files: CertificateFiles
  readonly reading: WatchedReading<Certificate>
}

/** Finds the certificate that was ordered for a name, by preference from this directory; null = there is none. */
export type Issued = (domain: string, directory: string) => Certificate | null

/** How an ordered certificate is named where others have a file. */
export function acmeFile(domain: string): string {
  return `acme:${domain}`
}

/** What is read from files, whatever it is. */
export type Watched = Pick<WatchedReading<unknown>, 'look' | 'problem' | 'value'>

/** TLS of a listener, with the files that its parts come from. */
export class WatchedListener {
  /** Position in the configuration that this instance was started with. */
  readonly index: number
  readonly settings: TlsSettings
  readonly certificates: readonly WatchedCertificate[]
  /** Authorities of clients; null = clients are not asked for certificates. */
  readonly authorities: WatchedReading<string> | null
  /** Ordered certificates that an earlier process had in force. */
  private readonly known: readonly ServedCertificate[]

  /**
   * `before`: the same listener with earlier settings, whose readings are used on; null = none. `known`: what an earlier
   * process had in force.
   */
  constructor(index: number, settings: TlsSettings, before: WatchedListener | null, known: ListenerTls | undefined) {
    this.index = index
    this.settings = settings
    this.certificates = settings.certificates.map((files) => {
      const same = before?.certificates.find(({ files: { cert, key } }) => cert === files.cert && key === files.key)
      return same ?? { files, reading: certificateReading(files, known) }
    })
    this.known = known?.certificates ?? before?.known ?? []
    const { clientAuth } = settings
    const isSameFile = clientAuth !== null && before?.settings.clientAuth?.ca === clientAuth.ca
    this.authorities = isSameFile
      ? (before?.authorities ?? null)
      : clientAuth === null
        ? null
        : authoritiesReading(clientAuth.ca, known?.clientAuth?.ca ?? null)
  }

  /** Everything that is read, each with its path below `tls`. */
  get readings(): readonly { readonly at: string; readonly reading: Watched }[] {
    const certificates = this.certificates.map(({ reading }, index) => ({ at: `certificates[${index}]`, reading }))
    return this.authorities === null
      ? certificates
      : [...certificates, { at: 'clientAuth.ca', reading: this.authorities }]
  }

  /** The settings for proxies; null = a part was never usable. `issued`: finds the ordered certificates. */
  forProxies(issued: Issued): ListenerTls | null {
    const { index, certificates, authorities, settings } = this
    const { acme } = settings
    const pending: string[] = []
    const ordered = (acme?.domains ?? []).flatMap((domain): readonly ServedCertificate[] => {
      const file = acmeFile(domain)
      const found = issued(domain, acme?.directory ?? '')
      if (found !== null) return [{ id: found.id, file, names: [domain], cert: found.cert, key: found.key }]
      // The store may be away, or have it in a form that this instance cannot read.
      const known = this.known.find((each) => each.file === file)
      if (known === undefined) pending.push(domain)
      return known === undefined ? [] : [known]
    })
    const served = certificates.flatMap(({ files, reading: { value } }) =>
      value === null
        ? []
        : [{ id: value.id, file: files.cert, names: value.facts.names, cert: value.cert, key: value.key }],
    )
    if (served.length < certificates.length || (authorities !== null && authorities.value === null)) return null
    const { minVersion, alpn, clientAuth } = settings
    const ca = authorities?.value ?? ''
    return {
      listener: index,
      certificates: [...served, ...ordered],
      pending,
      minVersion,
      clientAuth: clientAuth === null ? null : { ca, require: clientAuth.require },
      alpn,
    }
  }
}

function certificateReading(files: CertificateFiles, known: ListenerTls | undefined): WatchedReading<Certificate> {
  const served = known?.certificates.find(({ file }) => file === files.cert)
  const before = served === undefined ? [] : readCertificate(served)
  return new WatchedReading<Certificate>(
    [files.cert, files.key],
    async () => {
      const read = await loadCertificate(files)
      return isCertificate(read) ? { value: read } : { problem: read.map(({ message }) => message).join('; ') }
    },
    (a, b) => a.id === b.id,
    isCertificate(before) ? before : null,
  )
}

function authoritiesReading(file: string, known: string | null): WatchedReading<string> {
  return new WatchedReading<string>(
    [file],
    async () => {
      const read = await loadAuthorities(file)
      return 'text' in read ? { value: read.text } : read
    },
    (a, b) => a === b,
    known,
  )
}
