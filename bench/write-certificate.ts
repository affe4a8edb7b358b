import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority } from '../test/support/issue-certificate.ts'
import type { CertificateFiles } from './contestants.ts'

/** Writes a new certificate of ECDSA on P-256 and its key into the folder. */
export function writeCertificate(folder: string): CertificateFiles {
  const { cert, key } = new Authority().issue({ names: ['localhost'] })
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), pair: join(folder, 'pair.pem') }
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key)
  writeFileSync(files.pair, `${cert}${key}`)
  return files
}
