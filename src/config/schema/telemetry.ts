import { Type } from 'typebox'
import { ENDPOINT_RULE, explainEndpoint, parseEndpoint } from '../tracing-endpoint.ts'
import * as kind from './kinds.ts'

export const TelemetrySection = kind.section(
  {
    tracing: kind.section(
      {
        endpoint: kind.parsed(parseEndpoint, {
          description: 'URL that takes spans by OTLP over HTTP: http://127.0.0.1:4318/v1/traces; empty = no tracing.',
          errorMessage: ENDPOINT_RULE,
          explain: explainEndpoint,
          default: '',
        }),
        sample: Type.Number({
          description: 'Share of the traces that begin here and are recorded: 1 = all, 0.01 = every hundredth.',
          errorMessage: 'expected a number from 0 to 1',
          default: 0.01,
          minimum: 0,
          maximum: 1,
        }),
      },
      { description: 'OpenTelemetry spans of requests and of their tries.', default: {} },
    ),
  },
  { description: 'What is told of requests, beside metrics and the access log.', default: {} },
)
