import { constants } from 'node:http2'

// Error codes of RST_STREAM and GOAWAY, RFC 9113 §7.
export const NO_ERROR: number = constants.NGHTTP2_NO_ERROR
export const PROTOCOL_ERROR: number = constants.NGHTTP2_PROTOCOL_ERROR
export const INTERNAL_ERROR: number = constants.NGHTTP2_INTERNAL_ERROR
export const REFUSED_STREAM: number = constants.NGHTTP2_REFUSED_STREAM
export const CANCEL: number = constants.NGHTTP2_CANCEL
export const CONNECT_ERROR: number = constants.NGHTTP2_CONNECT_ERROR
export const ENHANCE_YOUR_CALM: number = constants.NGHTTP2_ENHANCE_YOUR_CALM
