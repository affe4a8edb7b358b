/** Responses of the upstream, shared by the upstream and the check of the contestants. */

/** Body of 1 KiB for every request outside of the special paths. */
export const page = Buffer.from('Cutover benchmark. '.repeat(54).slice(0, 1024))
/** A body of 10 KiB. */
export const medium = Buffer.from('Cutover benchmark. '.repeat(540).slice(0, 10 * 1024))
/** A body of 1 MiB with a pattern whose period (251) is not a power of two, so that misplaced chunks are noticed. */
export const large = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, i) => i % 251))
/** Header of every response, as proof that it came from the upstream. */
export const marker = { name: 'x-bench-upstream', value: 'here' }
/** Name of the request header that `/echo` returns as a response header. */
export const echoedHeader = 'x-bench-echo'
