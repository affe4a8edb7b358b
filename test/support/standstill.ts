/** Resolves with a value once it has not changed for a while: all buffers on the way are full. */
export async function standstill(value: () => number): Promise<number> {
  for (let before = Number.NaN; before !== value(); ) {
    before = value()
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  return value()
}
