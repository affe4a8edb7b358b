import { expect, test } from 'vitest'
import { configOf, configProblemsOf } from './support.ts'

const ENDPOINT = 'http://127.0.0.1:4318/v1/traces'

function traced(tracing: object): object {
  return { telemetry: { tracing } }
}

test('tracing is off without an endpoint, and records every hundredth trace with one', () => {
  expect(configOf(traced({ endpoint: '', sample: 1 })).telemetry).toEqual({ tracing: null })
  expect(configOf(traced({ endpoint: ENDPOINT })).telemetry).toEqual({ tracing: { endpoint: ENDPOINT, sample: 0.01 } })
  const secure = { endpoint: 'https://otel.example.com/otlp/v1/traces', sample: 0 }
  expect(configOf(traced(secure)).telemetry).toEqual({ tracing: secure })
})

test.for<[object, string]>([
  [{ endpoint: 'collector:4318' }, `expected the URL of an OTLP receiver, such as ${ENDPOINT}, got "collector:4318"`],
  [{ endpoint: 'grpc://collector:4317/x' }, `expected the URL of an OTLP receiver, such as ${ENDPOINT}, got "grpc://`],
  [{ endpoint: 'http://collector:4318' }, 'has no path; receivers take spans at http://collector:4318/v1/traces'],
  [{ endpoint: 'http://collector:4318/' }, 'has no path; receivers take spans at http://collector:4318/v1/traces'],
  [{ endpoint: 'http://collector/v1/traces?key=1' }, 'has a query or fragment; write http://collector/v1/traces'],
  [{ endpoint: 'http://c d/v1/traces' }, 'expected the URL of an OTLP receiver'],
])('%j is refused', ([tracing, message]) => {
  expect(configProblemsOf(traced(tracing))).toEqual([expect.stringContaining(`telemetry.tracing.endpoint: ${message}`)])
})

test('a password in the URL is refused, and not repeated', () => {
  for (const scheme of ['https', 'ftp']) {
    const [problem, ...more] = configProblemsOf(
      traced({ endpoint: `${scheme}://me:s3cret@otel.example.com/v1/traces` }),
    )
    expect(more).toEqual([])
    expect(problem).toContain('has a user or password in it')
    expect(problem).toContain('OTEL_EXPORTER_OTLP_TRACES_HEADERS')
    expect(problem).not.toContain('s3cret')
  }
})

test.for([-0.1, 1.5, '10%', true])('a sample of %j is refused', (sample) => {
  expect(configProblemsOf(traced({ endpoint: ENDPOINT, sample }))).toEqual([
    expect.stringContaining('telemetry.tracing.sample: expected a number from 0 to 1'),
  ])
})

test('a key with a slip names the one that was meant', () => {
  expect(configProblemsOf(traced({ endpont: ENDPOINT }))).toEqual([expect.stringContaining('endpoint')])
})
