import { SocketAddress } from 'node:net'

/** One end of a connection. */
export interface Endpoint {
  /** IPv4, or IPv6 as the system writes it; an IPv4 address is never in IPv6 notation. */
  readonly address: string
  readonly port: number
}

/** What a PROXY header says of the connection that it opens. */
export interface ProxyHeader {
  /** The client; null where the header names none (LOCAL, UNKNOWN, a Unix socket): the peer itself is the client. */
  readonly source: Endpoint | null
  /** Where the client connected to; null as with `source`. */
  readonly destination: Endpoint | null
  /** Bytes of the header: what follows is the client's. */
  readonly length: number
}

/** What the first bytes of a connection are. */
export type Reading =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'header'; readonly header: ProxyHeader }

export const INCOMPLETE: Reading = { kind: 'incomplete' }

/** Bytes that are no header, and will be none whatever follows. */
export function invalid(reason: string): Reading {
  return { kind: 'invalid', reason }
}

/** The header of a connection whose client is the peer itself. */
export function withoutAddresses(length: number): Reading {
  return { kind: 'header', header: { source: null, destination: null, length } }
}

/**
 * The one spelling of an IP address, that a connection without a PROXY header would have: cohorts and balancing hash it.
 * Throws when it is none.
 */
export function canonicalAddress(family: 'ipv4' | 'ipv6', address: string): string {
  return family === 'ipv4' ? address : plainAddress(new SocketAddress({ family, address }).address)
}

/** An IPv4 address in its own notation; any other as it is. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
