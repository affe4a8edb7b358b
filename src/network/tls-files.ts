import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { ServerTls } from '../model/spec.ts'

/** How old what was read from the files may be when a connection is made. */
const MAX_AGE_MS = 30_000
/** The most bytes a file may have: all authorities that a system trusts are a quarter of it. */
const MAX_BYTES = 1_048_576
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

type FileKey = 'ca' | 'cert' | 'key'
type Texts = Partial<Record<FileKey, string>>

/** A file of `ServerTls` that cannot be used. */
export interface TlsFileProblem {
  readonly key: FileKey
  /** What is wrong, beginning with the file's name. */
  readonly message: string
}

/** What is wrong with the files of a server's TLS settings, read now. */
export function tlsFileProblems(tls: ServerTls): TlsFileProblem[] {
  return read(tls).problems
}

/**
 * The TLS context of the connections to a server. Its files are read again when they may have changed, so that a
 * certificate can be renewed in place; files that have become unreadable leave the last good context in force.
 */
export class TlsContext {
  private readonly tls: ServerTls
  private context: SecureContext | null = null
  private texts: Texts = {}
  private readAt = Number.NEGATIVE_INFINITY

  constructor(tls: ServerTls) {
    this.tls = tls
  }

  /** Throws with the code ERR_TLS_FILES where the files cannot be used and never could. */
  get(): SecureContext {
    const now = performance.now()
    if (this.context !== null && (!hasFiles(this.tls) || now - this.readAt < MAX_AGE_MS)) return this.context
    this.readAt = now
    const { texts, problems } = read(this.tls)
    const [problem] = problems
    if (problem === undefined) {
      if (this.context === null || !sameTexts(texts, this.texts)) this.context = createSecureContext(texts)
      this.texts = texts
    } else if (this.context === null) {
      throw Object.assign(new Error(`tls.${problem.key}: ${problem.message}`), { code: 'ERR_TLS_FILES' })
    }
    return this.context
  }
}

function hasFiles({ ca, cert, key }: ServerTls): boolean {
  return ca !== '' || cert !== '' || key !== ''
}

function sameTexts(some: Texts, others: Texts): boolean {
  return some.ca === others.ca && some.cert === others.cert && some.key === others.key
}

function read(tls: ServerTls): { texts: Texts; problems: TlsFileProblem[] } {
  const texts: Texts = {}
  const problems: TlsFileProblem[] = []
  for (const key of ['ca', 'cert', 'key'] as const) {
    const file = tls[key]
    if (file === '') continue
    try {
      const text = readText(file)
      if (isWhatItShouldBe(key, text)) texts[key] = text
      else problems.push({ key, message: `${file} is no ${key === 'key' ? 'private key' : 'certificate'} in PEM` })
    } catch (error) {
      problems.push({ key, message: `${file} cannot be read: ${(error as Error).message}` })
    }
  }
  const { cert = '', key = '' } = texts
  if (cert !== '' && key !== '' && !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    problems.push({ key: 'key', message: `${tls.key} is not the key of the certificate in ${tls.cert}` })
  }
  return { texts, problems }
}

/** Reads what can be read at once: a pipe or a device would hold up the whole process. */
function readText(file: string): string {
  const stats = statSync(file)
  if (!stats.isFile()) throw new Error('it is not a regular file')
  if (stats.size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`)
  return readFileSync(file, 'utf8')
}

function isWhatItShouldBe(key: FileKey, text: string): boolean {
  try {
    if (key === 'key') createPrivateKey(text)
    else {
      const certificates = text.match(CERTIFICATE) ?? []
      for (const each of certificates) new X509Certificate(each)
      return certificates.length > 0
    }
    return true
  } catch {
    return false
  }
}
