/** What the upstream answers, known to the upstream and to who checks the contestants. */

/** The 1 KiB that every request outside of the special paths gets. */
export const page = Buffer.from('Cutover benchmark. '.repeat(54).slice(0, 1024))
/** A megabyte of bytes that repeat in no power of two. */
export const large = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, i) => i % 251))
/** Sent with every answer: it came from the upstream and nowhere else. */
export const marker = { name: 'x-bench-upstream', value: 'here' }
/** A request header whose value `/echo` sends back under the same name. */
export const echoedHeader = 'x-bench-echo'
