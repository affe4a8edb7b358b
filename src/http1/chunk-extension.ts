import { BACKSLASH, CR, EQUALS, QUOTE, SEMICOLON, TEXT, TOKEN } from './bytes.ts'

/** Position of the next byte in an extension; `over`: the LF of the line follows. */
export type ExtensionState = 'name' | 'nameOn' | 'value' | 'token' | 'quoted' | 'escaped' | 'closed' | 'over'

/**
 * Returns the state after one more byte of a chunk's extensions; null = the byte is not allowed there. RFC 9112 §7.1.1.
 */
export function afterExtensionByte(state: ExtensionState, byte: number): ExtensionState | null {
  switch (state) {
    case 'name':
      return TOKEN[byte] === 1 ? 'nameOn' : null
    case 'nameOn':
      if (TOKEN[byte] === 1) return 'nameOn'
      return byte === EQUALS ? 'value' : afterOne(byte)
    case 'value':
      if (byte === QUOTE) return 'quoted'
      return TOKEN[byte] === 1 ? 'token' : null
    case 'token':
      return TOKEN[byte] === 1 ? 'token' : afterOne(byte)
    case 'quoted':
      if (byte === QUOTE) return 'closed'
      if (byte === BACKSLASH) return 'escaped'
      return TEXT[byte] === 1 ? 'quoted' : null
    case 'escaped':
      return TEXT[byte] === 1 ? 'quoted' : null
    case 'closed':
      return afterOne(byte)
    case 'over':
      return null
  }
}

function afterOne(byte: number): ExtensionState | null {
  if (byte === CR) return 'over'
  return byte === SEMICOLON ? 'name' : null
}
