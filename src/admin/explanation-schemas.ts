import { caveats, count, flag, instant, object, ref, revision, text } from './schema-parts.ts'

/** The answer that explains a decision. */
export const explanationAnswers = {
  Explanation: object(
    {
      revision,
      request: {
        ...object({ host: text, method: text, path: text, ip: text }),
        description: 'The request that was explained.',
      },
      service: { type: ['string', 'null'], description: 'null: no service answers to it.' },
      pool: {
        type: ['string', 'null'],
        description: 'The pool that gets it; null: the shares decide, or none can take it.',
      },
      steps: {
        type: 'array',
        items: object({
          step: { enum: ['service', 'mode', 'hooks', 'routes', 'split', 'sticky', 'balance'] },
          result: text,
        }),
        description: 'The decision step by step, with the reason of each.',
      },
      pools: {
        type: 'array',
        items: object(
          { name: text, share: { type: 'number' }, gets: { enum: ['all', 'share', 'none'] }, reason: text },
          {
            from: {
              type: 'number',
              description: 'With a split by client: the share in percent from which on this client is here.',
            },
          },
        ),
      },
      servers: {
        type: 'array',
        items: object(
          {
            name: text,
            pool: text,
            url: text,
            weight: count,
            state: { enum: ['ready', 'drain', 'maint'] },
            health: { enum: ['unknown', 'up', 'down', 'ejected'] },
            may: { ...flag, description: 'Whether it may get the request.' },
            reason: text,
            lastProbe: { anyOf: [ref('Probe'), { type: 'null' }] },
          },
          {
            since: {
              ...instant,
              description: 'When checks found its health, or when it was ejected; absent = before this process began.',
            },
            ejectedUntil: { ...instant, description: 'Until when it is ejected; then one request tries it.' },
            dns: ref('ServerName'),
          },
        ),
      },
    },
    caveats,
  ),
}
