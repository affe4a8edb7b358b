/** An element of DER (X.690): its tag, its content, and all of its bytes. */
export interface Element {
  readonly tag: number
  readonly content: Buffer
  readonly whole: Buffer
}

/** The elements that stand one behind the other in some bytes. */
export function elementsOf(bytes: Buffer): Element[] {
  const found: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] as number
    let length = bytes[at + 1] as number
    let begin = at + 2
    if (length >= 0x80) {
      const count = length & 0x7f
      length = bytes.readUIntBE(begin, count)
      begin += count
    }
    found.push({ tag, content: bytes.subarray(begin, begin + length), whole: bytes.subarray(at, begin + length) })
    at = begin + length
  }
  return found
}

/** The elements within one. */
export function within({ content }: Element): Element[] {
  return elementsOf(content)
}
