/** The address of server `index`, from 127.1.0.1 on. */
export function addressOf(index: number): string {
  return `127.${(index >> 14) + 1}.${(index >> 7) & 127}.${(index & 127) + 1}`
}

/** The index of the server at an address; above all others for 127.0.0.1, which is none of them. */
export function indexOf(address: string): number {
  const [, high = 0, middle = 0, low = 0] = address.split('.').map(Number)
  return high === 0 ? Number.POSITIVE_INFINITY : ((high - 1) << 14) | (middle << 7) | (low - 1)
}
