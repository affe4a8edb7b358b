import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import type { KeyPair } from './certificates.ts'

const DAY_MS = 86_400_000
const ECDSA_WITH_SHA256 = sequence(oid(1, 2, 840, 10_045, 4, 3, 2))
const COMMON_NAME = oid(2, 5, 4, 3)
const ALT_NAME = oid(2, 5, 29, 17)
const BASIC_CONSTRAINTS = oid(2, 5, 29, 19)

/** What stands in a certificate. */
export interface CertificateSketch {
  readonly commonName?: string
  /** DNS names of the subject alternative name; none = it has no such extension. */
  readonly names?: readonly string[]
  readonly notBefore?: Date
  readonly notAfter?: Date
}

/** A certificate authority that signs what it is asked for, with ECDSA on P-256 (RFC 5280, in DER by hand). */
export class Authority {
  readonly cert: string
  private readonly key: KeyObject
  private readonly name: string

  constructor(name = 'test authority') {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.key = privateKey
    this.name = name
    const constraints = extension(BASIC_CONSTRAINTS, sequence(der(0x01, Buffer.from([0xff]))), true)
    this.cert = this.sign(privateKey, { commonName: name }, [constraints])
  }

  /** A certificate for the key of somebody else, valid for 90 days unless told otherwise. */
  certify(publicKey: KeyObject, sketch: CertificateSketch): string {
    const { names = [] } = sketch
    const alt = sequence(...names.map((name) => der(0x82, Buffer.from(name))))
    return this.sign(publicKey, sketch, [extension(ALT_NAME, alt)])
  }

  /** A certificate for a new key, valid for 90 days unless told otherwise. */
  issue(sketch: CertificateSketch = {}): KeyPair {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { names = ['localhost'] } = sketch
    const alt = sequence(...names.map((name) => der(0x82, Buffer.from(name))))
    const cert = this.sign(privateKey, sketch, names.length === 0 ? [] : [extension(ALT_NAME, alt)])
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
  }

  private sign(key: KeyObject, sketch: CertificateSketch, extensions: readonly Buffer[]): string {
    const { commonName = 'test', notBefore = new Date(Date.now() - DAY_MS) } = sketch
    const { notAfter = new Date(Date.now() + 90 * DAY_MS) } = sketch
    const serial = randomBytes(8)
    serial[0] = ((serial[0] as number) & 0x7f) | 1
    const toSign = sequence(
      der(0xa0, der(0x02, Buffer.from([2]))),
      der(0x02, serial),
      ECDSA_WITH_SHA256,
      nameOf(this.name),
      sequence(time(notBefore), time(notAfter)),
      nameOf(commonName),
      (key.type === 'public' ? key : createPublicKey(key)).export({ type: 'spki', format: 'der' }),
      ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
    )
    const signature = Buffer.concat([Buffer.from([0]), sign('sha256', toSign, this.key)])
    return pem(sequence(toSign, ECDSA_WITH_SHA256, der(0x03, signature)))
  }
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(commonName)))))
}

function extension(id: Buffer, value: Buffer, isCritical = false): Buffer {
  return sequence(id, ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value))
}

/** GeneralizedTime, which RFC 5280 wants only from 2050 on, and which everybody reads. */
function time(at: Date): Buffer {
  return der(0x18, Buffer.from(`${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))
}

function oid(first: number, second: number, ...rest: number[]): Buffer {
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const groups = [part & 0x7f]
    for (let left = part >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return der(0x06, Buffer.from(bytes))
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function der(tag: number, content: Buffer): Buffer {
  const length: number[] = []
  for (let left = content.length; left > 0; left >>= 8) length.unshift(left & 0xff)
  const head = content.length < 0x80 ? [tag, content.length] : [tag, 0x80 | length.length, ...length]
  return Buffer.concat([Buffer.from(head), content])
}
