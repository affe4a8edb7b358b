import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeyPair } from './certificates.ts'

/** A folder with certificates in it, as listeners are configured with. */
export class CertificateFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async create(): Promise<CertificateFolder> {
    return new CertificateFolder(await mkdtemp(join(tmpdir(), 'cutover-certificates-')))
  }

  /** The files of a name, as in the configuration. */
  files(name: string): { readonly cert: string; readonly key: string } {
    return { cert: join(this.path, `${name}.pem`), key: join(this.path, `${name}.key`) }
  }

  /** Writes a certificate and its key; returns the files. */
  async put(name: string, { cert, key }: KeyPair): Promise<{ readonly cert: string; readonly key: string }> {
    await this.replace(`${name}.key`, key)
    await this.replace(`${name}.pem`, cert)
    return this.files(name)
  }

  /** Replaces one file in one step. */
  async replace(file: string, text: string): Promise<void> {
    const path = join(this.path, file)
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true })
  }
}
