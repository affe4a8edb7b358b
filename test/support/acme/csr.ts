import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { type Element, elementsOf, within } from './der.ts'

/** OID 2.5.29.17. */
const ALT_NAME = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x11])
const DNS_NAME = 0x82

/** What a certificate is asked for (RFC 2986). Throws if its signature is wrong. */
export function readCsr(der: Buffer): { readonly names: readonly string[]; readonly publicKey: KeyObject } {
  const [info, , signature] = within(elementsOf(der)[0] as Element) as [Element, Element, Element]
  const [, , key, attributes] = within(info) as [Element, Element, Element, Element]
  const publicKey = createPublicKey({ key: key.whole, format: 'der', type: 'spki' })
  if (!verify('sha256', info.whole, publicKey, signature.content.subarray(1))) throw new Error('signature of the CSR')
  const at = attributes.content.indexOf(ALT_NAME)
  const [value] = elementsOf(attributes.content.subarray(at + ALT_NAME.length)) as [Element]
  const names = within(elementsOf(value.content)[0] as Element)
  return { names: names.filter(({ tag }) => tag === DNS_NAME).map(({ content }) => content.toString()), publicKey }
}
