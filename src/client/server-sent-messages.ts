/** A message of Server-Sent Events; null = the message does not have this field. */
export interface ServerSentMessage {
  readonly id: string | null
  readonly retryMs: number | null
  readonly data: string | null
}

/** Splits the text of a stream of Server-Sent Events into messages, as far as the API uses the format. */
export class ServerSentMessages {
  private rest = ''

  /** Takes a piece of the text; returns the messages that are complete. */
  take(piece: string): ServerSentMessage[] {
    const blocks = `${this.rest}${piece}`.split('\n\n')
    this.rest = blocks.pop() ?? ''
    return blocks.map(messageOf)
  }
}

function messageOf(block: string): ServerSentMessage {
  const fields = new Map(
    block.split('\n').map((line): [string, string] => {
      const [name = ''] = line.split(':', 1)
      return [name, line.slice(name.length + 1).replace(/^ /, '')]
    }),
  )
  const retry = fields.get('retry')
  return {
    id: fields.get('id') ?? null,
    retryMs: retry === undefined ? null : Number(retry),
    data: fields.get('data') ?? null,
  }
}
