/** A version of HTTP, as a Via field has it. */
export type HttpVersion = '1.0' | '1.1' | '2.0'

/** `minor`: that of HTTP/1. */
export function http1Version(minor: number): HttpVersion {
  return minor === 0 ? '1.0' : '1.1'
}
