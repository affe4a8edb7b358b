import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'

/** CRC-32 as eight hexadecimal digits. */
export function checksum(data: string | Buffer): string {
  return crc32(data).toString(16).padStart(8, '0')
}

/** Makes the names in `directory` durable: otherwise a new or renamed file may be gone after a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Creates the absolute path `directory` and its missing parents durably, accessible to their owner only. */
export async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = directory; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made))
}
