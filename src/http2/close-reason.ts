/** Why a connection was closed because of what the client did, as in the metric. */
export type CloseReason =
  | 'protocol_error'
  | 'flow_control_error'
  | 'compression_error'
  | 'continuation_flood'
  | 'flood'
  | 'invalid_frames'
  | 'refused_streams'

/** Errors of nghttp2 by number (nghttp2.h), where node:http2 has no code of its own. */
const BY_NUMBER: Readonly<Record<number, CloseReason>> = {
  [-505]: 'protocol_error',
  [-523]: 'compression_error',
  [-524]: 'flow_control_error',
  // Acknowledgements that the client does not take.
  [-904]: 'flood',
  [-905]: 'continuation_flood',
  // More than `maxSessionRejectedStreams`.
  [-902]: 'refused_streams',
}

/** The reason for an error of a session; null = it is not one of the client's frames. */
export function closeReason(error: Error & { readonly code?: string; readonly errno?: number }): CloseReason | null {
  if (error.code === 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES') return 'invalid_frames'
  if (error.code !== 'ERR_HTTP2_ERROR') return null
  return BY_NUMBER[error.errno ?? 0] ?? 'protocol_error'
}
