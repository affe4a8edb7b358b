/** Cuts bytes into pieces at these places. */
export function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b)
  const pieces = [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length))
  return pieces.filter((piece) => piece.length > 0)
}
