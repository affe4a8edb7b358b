import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'

/** A request of an ACME client (RFC 8555 §6.2). */
export interface Signed {
  readonly header: {
    readonly alg: string
    readonly nonce: string
    readonly url: string
    readonly kid?: string
    readonly jwk?: Record<string, string>
  }
  /** undefined = POST-as-GET. */
  readonly payload: Record<string, unknown> | undefined
  readonly isSignedBy: (key: KeyObject) => boolean
}

export function readJws(body: string): Signed {
  const { protected: head, payload, signature } = JSON.parse(body) as Record<string, string>
  const header = JSON.parse(Buffer.from(head ?? '', 'base64url').toString())
  return {
    header,
    payload: payload === '' ? undefined : JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()),
    isSignedBy: (key) =>
      header.alg === 'ES256' &&
      verify(
        'sha256',
        Buffer.from(`${head}.${payload}`),
        { key, dsaEncoding: 'ieee-p1363' },
        Buffer.from(signature ?? '', 'base64url'),
      ),
  }
}

export function keyOf(jwk: Record<string, string>): KeyObject {
  return createPublicKey({ key: jwk, format: 'jwk' })
}

/** RFC 7638. */
export function thumbprint(key: KeyObject): string {
  const { crv, kty, x, y } = key.export({ format: 'jwk' })
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
}
