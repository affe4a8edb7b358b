import { SocketAddress } from 'node:net'

/** One end of a connection. */
export interface Endpoint {
  /** IPv4 address, or IPv6 address in the system's notation; never an IPv4 address in IPv6 notation. */
  readonly address: string
  readonly port: number
}

/** A parsed PROXY header. */
export interface ProxyHeader {
  /** The client; null = the header names none (LOCAL, UNKNOWN, a Unix socket), and the peer itself is the client. */
  readonly source: Endpoint | null
  /** The address that the client connected to; null in the same cases as `source`. */
  readonly destination: Endpoint | null
  /** Length of the header in bytes; the bytes after it belong to the client's data. */
  readonly length: number
}

/** Result of parsing the first bytes of a connection. */
export type Reading =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'header'; readonly header: ProxyHeader }

export const INCOMPLETE: Reading = { kind: 'incomplete' }

/** Result for bytes that cannot become a header, whatever follows. */
export function invalid(reason: string): Reading {
  return { kind: 'invalid', reason }
}

/** Result for a header without addresses: the peer itself is the client. */
export function withoutAddresses(length: number): Reading {
  return { kind: 'header', header: { source: null, destination: null, length } }
}

/**
 * Normalizes an IP address to the notation that a connection without a PROXY header would have, because cohorts and
 * balancing hash it. Throws if it is not an IP address.
 */
export function canonicalAddress(family: 'ipv4' | 'ipv6', address: string): string {
  return family === 'ipv4' ? address : plainAddress(new SocketAddress({ family, address }).address)
}

/** Converts an IPv4 address in IPv6 notation to plain IPv4; returns any other address unchanged. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
