/** Text that needs no escaping within a JSON string. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

/**
 * What JSON allows unescaped and a terminal, a pager or a log shipper acts on: DEL and the C1 controls, line separators
 * (U+2028, U+2029), and marks that reverse the direction of the text behind them.
 */
const ACTED_ON = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Whether `text` may stand between the quotes of a JSON string as it is. */
export function isPlain(text: string): boolean {
  return PLAIN.test(text)
}

/**
 * Text as it may stand between the quotes of a JSON string in a log line: it parses back to the same text and contains no
 * control character.
 */
export function escaped(text: string): string {
  return isPlain(text) ? text : JSON.stringify(text).slice(1, -1).replace(ACTED_ON, asEscape)
}

function asEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
