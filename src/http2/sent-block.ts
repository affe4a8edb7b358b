/** Max length of a head to send: node:http2 closes the connection if one is longer. Heads have limits below it. */
export const MAX_SENT_BLOCK_BYTES = 16 * 1024 * 1024
