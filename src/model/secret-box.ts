import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto'

/** Begins every encrypted text, with the version of its format. Keys in plain text never begin so: they are base64. */
const PREFIX = 'sealed:v1:'
const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
const SALT_BYTES = 16
/** Of GCM, NIST SP 800-38D §8.2. */
const IV_BYTES = 12
const TAG_BYTES = 16
/** Cost of deriving a key, once per salt: 16 MB of memory and some 50 ms. */
const SCRYPT = { N: 16_384, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }

/** Why a text cannot be opened. */
export type SealProblem = 'noSecret' | 'otherSecret'

/**
 * Encrypts secrets that are kept in the store, with a key that is derived from `store.secret`. Without a secret they stay as
 * they are. Texts in plain, from before there was a secret, can always be opened.
 */
export class SecretBox {
  private readonly secret: string
  /** Keys by salt, in base64url. */
  private readonly keys = new Map<string, Buffer>()
  /** The salt of all texts that this process seals. */
  private ownSalt: string | null = null

  /** `secret`: empty = none. */
  constructor(secret: string) {
    this.secret = secret
  }

  /** Encrypts a text. `purpose`: what it is for; it can be opened only as that. */
  seal(text: string, purpose: string): string {
    if (this.secret === '') return text
    this.ownSalt ??= randomBytes(SALT_BYTES).toString('base64url')
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv(ALGORITHM, this.keyFor(this.ownSalt), iv).setAAD(Buffer.from(purpose))
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return `${PREFIX}${this.ownSalt}.${iv.toString('base64url')}.${body.toString('base64url')}`
  }

  /** Returns the text that was sealed for this purpose, or a text in plain as it is; otherwise the problem. */
  open(sealed: string, purpose: string): { readonly text: string } | { readonly problem: SealProblem } {
    if (!sealed.startsWith(PREFIX)) return { text: sealed }
    if (this.secret === '') return { problem: 'noSecret' }
    const [salt = '', iv = '', body = ''] = sealed.slice(PREFIX.length).split('.')
    const bytes = Buffer.from(body, 'base64url')
    try {
      const decipher = createDecipheriv(ALGORITHM, this.keyFor(salt), Buffer.from(iv, 'base64url'), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-TAG_BYTES))
      return { text: `${decipher.update(bytes.subarray(0, -TAG_BYTES), undefined, 'utf8')}${decipher.final('utf8')}` }
    } catch {
      return { problem: 'otherSecret' }
    }
  }

  private keyFor(salt: string): Buffer {
    let key = this.keys.get(salt)
    if (key === undefined) {
      key = scryptSync(this.secret, Buffer.from(salt, 'base64url'), KEY_BYTES, SCRYPT)
      this.keys.set(salt, key)
    }
    return key
  }
}

/** A box without a secret. */
export const OPEN_BOX = new SecretBox('')
