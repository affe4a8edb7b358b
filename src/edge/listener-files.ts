import type { CertificateFiles, TlsSettings } from '../model/listener-tls.ts'
import { readTlsFile, readTlsFileNow } from '../net/tls-files.ts'
import { authoritiesProblem, type Certificate, type CertificateFacts, readCertificate } from './certificate.ts'

/** A problem with a file of a listener's TLS settings. */
export interface ListenerFileProblem {
  /** Path of the setting below `tls`: keys and indexes. */
  readonly at: readonly (string | number)[]
  /** Begins with the name of the file. */
  readonly message: string
}

/** The text of a file, or why it cannot be read. */
type FileText = { readonly text: string } | { readonly problem: string }

/** Checks the files of a listener now. A certificate that has expired can be used: see `dateProblem`. */
export function listenerFileProblems({ certificates, clientAuth, acme }: TlsSettings): ListenerFileProblem[] {
  const problems = certificates.flatMap((files, index): ListenerFileProblem[] => {
    const read = certificateOf(files, textNow(files.cert), textNow(files.key))
    return isCertificate(read) ? [] : read.map(({ key, message }) => ({ at: ['certificates', index, key], message }))
  })
  if (clientAuth !== null) {
    const read = authoritiesOf(clientAuth.ca, textNow(clientAuth.ca))
    if ('problem' in read) problems.push({ at: ['clientAuth', 'ca'], message: read.problem })
  }
  if (acme !== null && acme.ca !== null) {
    const read = authoritiesOf(acme.ca, textNow(acme.ca))
    if ('problem' in read) problems.push({ at: ['acme', 'ca'], message: read.problem })
  }
  return problems
}

/** Certificates of a listener that have expired, or are not valid yet, each in a sentence that begins with its file. */
export function datesOutOfRange({ certificates }: TlsSettings, nowMs: number): string[] {
  return certificates.flatMap((files) => {
    const read = certificateOf(files, textNow(files.cert), textNow(files.key))
    return isCertificate(read) ? (dateProblem(files.cert, read.facts, nowMs) ?? []) : []
  })
}

/** Why clients will refuse a certificate now, by its dates; null = they will not. */
export function dateProblem(
  file: string,
  { notBeforeMs, notAfterMs }: Pick<CertificateFacts, 'notBeforeMs' | 'notAfterMs'>,
  nowMs: number,
): string | null {
  if (notAfterMs <= nowMs) return `${file} has expired (${new Date(notAfterMs).toISOString()})`
  return notBeforeMs > nowMs ? `${file} is not valid before ${new Date(notBeforeMs).toISOString()}` : null
}

/** A problem with one of the two files of a certificate; `message` begins with the name of the file. */
export interface PairProblem {
  readonly key: 'cert' | 'key'
  readonly message: string
}

/** Reads a certificate and its key, without blocking the process. */
export async function loadCertificate(files: CertificateFiles): Promise<Certificate | readonly PairProblem[]> {
  const [cert, key] = await Promise.all([textOf(files.cert), textOf(files.key)])
  return certificateOf(files, cert, key)
}

/** Reads a file of authorities, without blocking the process. */
export async function loadAuthorities(file: string): Promise<FileText> {
  return authoritiesOf(file, await textOf(file))
}

export function isCertificate(read: Certificate | readonly unknown[]): read is Certificate {
  return !Array.isArray(read)
}

function certificateOf(files: CertificateFiles, cert: FileText, key: FileText): Certificate | readonly PairProblem[] {
  if ('text' in cert && 'text' in key) {
    const read = readCertificate({ cert: cert.text, key: key.text })
    if (isCertificate(read)) return read
    return read.map((problem) => {
      const isMixed = problem.message === 'is not the key of the certificate'
      return { ...problem, message: `${files[problem.key]} ${problem.message}${isMixed ? ` in ${files.cert}` : ''}` }
    })
  }
  const problems: PairProblem[] = []
  if ('problem' in cert) problems.push({ key: 'cert', message: cert.problem })
  if ('problem' in key) problems.push({ key: 'key', message: key.problem })
  return problems
}

function authoritiesOf(file: string, read: FileText): FileText {
  if ('problem' in read) return read
  const problem = authoritiesProblem(read.text)
  return problem === null ? read : { problem: `${file} ${problem}` }
}

function textNow(file: string): FileText {
  try {
    return { text: readTlsFileNow(file) }
  } catch (error) {
    return { problem: unreadable(file, error) }
  }
}

async function textOf(file: string): Promise<FileText> {
  try {
    return { text: await readTlsFile(file) }
  } catch (error) {
    return { problem: unreadable(file, error) }
  }
}

function unreadable(file: string, error: unknown): string {
  return `${file} cannot be read: ${(error as Error).message}`
}
