/** Matches text that needs no escaping within a JSON string. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

/**
 * Characters that JSON allows unescaped but a terminal, a pager or a log shipper interprets: DEL and the C1 controls,
 * line separators (U+2028, U+2029), and marks that change the direction of the text after them.
 */
const INTERPRETED = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Whether `text` can be placed in a JSON string without escaping. */
export function isPlain(text: string): boolean {
  return PLAIN.test(text)
}

/**
 * Escapes text for a JSON string in a log line. The result parses back to the same text and contains no control
 * character.
 */
export function escaped(text: string): string {
  return isPlain(text) ? text : escapedJson(text).slice(1, -1)
}

/** Formats a value as JSON that contains no control character. */
export function escapedJson(value: unknown): string {
  return JSON.stringify(value).replace(INTERPRETED, asEscape)
}

function asEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Rounds milliseconds to the microsecond. */
export function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
