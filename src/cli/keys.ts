/** Keys that end a command which draws on the terminal. In raw mode, Ctrl-C is a key, too. */
const CTRL_C = '\u0003'

/** Calls `onQuit` for `q` and `onInterrupt` for Ctrl-C, if people type at a terminal. Returns the function that ends it. */
export function readKeys(onQuit: () => void, onInterrupt: () => void): () => void {
  const { stdin } = process
  if (!stdin.isTTY) return () => undefined
  const onData = (piece: Buffer): void => {
    const text = piece.toString()
    if (text.includes(CTRL_C)) onInterrupt()
    else if (/q/i.test(text)) onQuit()
  }
  stdin.setRawMode(true).on('data', onData)
  return () => {
    stdin.off('data', onData).setRawMode(false).pause()
  }
}
