const EXAMPLE = 'http://127.0.0.1:4318/v1/traces'

export const ENDPOINT_RULE = `expected the URL of an OTLP receiver, such as ${EXAMPLE}`

/** The URL of a receiver of spans, as given, or the empty string; undefined if it cannot be used. */
export function parseEndpoint(text: string): string | undefined {
  if (text === '') return text
  if (!/^https?:\/\/\S+$/i.test(text) || !URL.canParse(text)) return undefined
  return explainEndpoint(text) === undefined ? text : undefined
}

/** Explains which part of the URL is missing or not allowed; undefined if the problem is another one. */
export function explainEndpoint(text: string): string | undefined {
  const [, origin = '', login = '', host = '', rest = ''] = /^(\w+:\/\/)([^/?#]*@)?([^/?#]*)([^?#]*)/.exec(text) ?? []
  if (login !== '') {
    return `has a user or password in it; write ${origin}${host}${rest}, and give credentials in OTEL_EXPORTER_OTLP_TRACES_HEADERS`
  }
  if (/[?#]/.test(text)) return `has a query or fragment; write ${origin}${host}${rest}`
  if (host !== '' && (rest === '' || rest === '/'))
    return `has no path; receivers take spans at ${origin}${host}/v1/traces`
  return undefined
}
