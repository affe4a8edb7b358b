/** One field of a message in protocol buffers: a number for varint, fixed32 and fixed64, or bytes. */
export interface Field {
  readonly number: number
  readonly value: bigint | Buffer
}

/** Reads the fields of a message in their order. Throws if it is cut short or has groups. */
export function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < message.length) {
    const tag = Number(varint())
    const number = tag >> 3
    switch (tag & 7) {
      case 0:
        fields.push({ number, value: varint() })
        break
      case 1:
        fields.push({ number, value: message.readBigUInt64LE(at) })
        at += 8
        break
      case 2: {
        const length = Number(varint())
        if (at + length > message.length) throw new Error(`field ${number} is cut short`)
        fields.push({ number, value: message.subarray(at, at + length) })
        at += length
        break
      }
      case 5:
        fields.push({ number, value: BigInt(message.readUInt32LE(at)) })
        at += 4
        break
      default:
        throw new Error(`field ${number} has wire type ${tag & 7}`)
    }
  }
  return fields
}
