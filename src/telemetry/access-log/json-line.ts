import type { AccessRecord, LoggedTls } from './access-record.ts'
import { escaped, escapedJson, isPlain, rounded } from './log-text.ts'

/**
 * Formats a record as a line of JSON: valid for any texts, which can add neither a line break nor a control character.
 * Built by hand, because a general serializer would cost several times as much on every request.
 */
export function jsonLine(record: AccessRecord): string {
  const { client, method, host, target, service, pool, version, server, requestId, traceId, error } = record
  // Checking all texts at once costs half as much as eleven checks.
  const texts = `${client}${method}${host}${target}${service}${pool}${version}${server}${requestId}${traceId}${error}`
  return format(isPlain(texts) ? record : withTextsEscaped(record))
}

function withTextsEscaped(record: AccessRecord): AccessRecord {
  const entries = Object.entries(record).map(([key, value]) => [
    key,
    typeof value === 'string' ? escaped(value) : value,
  ])
  return Object.fromEntries(entries) as AccessRecord
}

function format(record: AccessRecord): string {
  const { client, method, host, target, service, pool, version, server, requestId, traceId, error } = record
  return `{"level":30,"time":${record.atMs},"msg":"request","client":"${client}","method":"${method}","host":"${host}","target":"${target}","status":${record.status},${record.grpcStatus === null ? '' : `"grpcStatus":${record.grpcStatus},`}"bytes":${record.bytes},"ms":${rounded(record.durationMs)},"queueMs":${rounded(record.queueMs)},${record.heldMs === 0 ? '' : `"heldMs":${rounded(record.heldMs)},`}"connectMs":${roundedOrNull(record.connectMs)},"firstByteMs":${roundedOrNull(record.firstByteMs)},"service":"${service}","pool":"${pool}","version":"${version}","server":"${server}","attempts":${record.attempts},"requestId":"${requestId}","traceId":"${traceId}"${error === '' ? '' : `,"error":"${error}"`}${record.tls === null ? '' : tlsMember(record.tls)}${record.tags === null ? '' : `,"tags":${escapedJson(record.tags)}`}}\n`
}

function tlsMember({ version, cipher, serverName }: LoggedTls): string {
  const name = serverName === '' ? '' : `,"serverName":"${serverName}"`
  return `,"tls":{"version":"${version}","cipher":"${cipher}"${name}}`
}

function roundedOrNull(ms: number | null): number | null {
  return ms === null ? null : rounded(ms)
}
