import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, type Stats, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { ServerTls } from '../model/server-address.ts'

/** Max age of the file contents used for a new connection, ms. */
const MAX_AGE_MS = 30_000
/** Max size of a file; four times that of all authorities that a system trusts. */
const MAX_BYTES = 1_048_576
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

type FileKey = 'ca' | 'cert' | 'key'
type Texts = Partial<Record<FileKey, string>>

/** Problem with a file of `ServerTls`. */
export interface TlsFileProblem {
  readonly key: FileKey
  /** The problem, beginning with the file's name. */
  readonly message: string
}

/** Reads the files of a server's TLS settings now, and lists their problems. */
export function tlsFileProblems(tls: ServerTls): TlsFileProblem[] {
  return read(tls).problems
}

/**
 * TLS context of the connections to a server. Its files are read again once they are older than `MAX_AGE_MS`, so that a
 * certificate can be renewed in place; if they have become unusable, the last good context stays in use.
 */
export class TlsContext {
  private readonly tls: ServerTls
  private context: SecureContext | null = null
  private texts: Texts = {}
  private readAt = Number.NEGATIVE_INFINITY

  constructor(tls: ServerTls) {
    this.tls = tls
  }

  /** Returns the context. Throws an error with code ERR_TLS_FILES if the files were never usable. */
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
      const text = readTlsFileNow(file)
      if (isUsable(key, text)) texts[key] = text
      else problems.push({ key, message: `${file} is not a PEM ${key === 'key' ? 'private key' : 'certificate'}` })
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

/**
 * Reads a file of TLS settings. Throws for anything but a regular file of limited size: reading a pipe or a device would
 * block the whole process.
 */
export function readTlsFileNow(file: string): string {
  checkStats(statSync(file))
  return readFileSync(file, 'utf8')
}

/** The same, without blocking the process meanwhile. */
export async function readTlsFile(file: string): Promise<string> {
  checkStats(await stat(file))
  return readFile(file, 'utf8')
}

function checkStats(stats: Stats): void {
  if (!stats.isFile()) throw new Error('it is not a regular file')
  if (stats.size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`)
}

/** Whether `text` contains the PEM that the setting needs: a private key for `key`, certificates otherwise. */
function isUsable(key: FileKey, text: string): boolean {
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
