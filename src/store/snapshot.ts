import { open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isFields } from '../model/shape.ts'
import { damaged } from './damage.ts'
import { checksum, syncDirectory } from './files.ts'
import { isDocuments, isHistory, parseJson } from './shape.ts'
import { type Snapshot, StoreUnusable } from './store.ts'

/** The newest format that this version reads. Raised whenever an older Cutover would misread the directory's files. */
const FORMAT = 2
/** The format of files without collections: a Cutover that knows no collections reads them, too. */
export const FORMAT_WITHOUT_COLLECTIONS = 1
/** The format of files with collections: a Cutover that would drop them refuses to start on these. */
export const FORMAT_WITH_COLLECTIONS = 2

/** A snapshot as it stands in a file. */
export interface WrittenSnapshot extends Snapshot {
  readonly format: number
}

/** A newer Cutover has written there: nothing may be written over it. */
export class NewerFormat extends StoreUnusable {
  override name = 'NewerFormat'
}

/**
 * The snapshot in `file`: `{"format":1,"checksum":"…","documents":{…},"history":[…]}`, the checksum taken over
 * `{"documents":…,"history":…}` as JSON without white space. Undefined when there is no file; throws StoreUnusable
 * when there is one that cannot be trusted, an empty one included.
 */
export async function readSnapshot(file: string): Promise<WrittenSnapshot | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const log = join(dirname(file), 'changes.log')
  const unusable = (problem: string) => damaged(file, problem, [file, log], 'the configuration')
  if (text === '') throw unusable('the file is empty')
  const value = parseJson(text)
  if (!isFields(value)) throw unusable('this is not a JSON object')
  const { format, documents, history } = value
  if (typeof format === 'number' && format > FORMAT) {
    throw new NewerFormat(
      `${file}: written by a newer Cutover (format ${format}; this one reads up to ${FORMAT}). Nothing was changed. ` +
        `Run that version, or restore a backup made by this one`,
    )
  }
  if (format !== FORMAT_WITHOUT_COLLECTIONS && format !== FORMAT_WITH_COLLECTIONS) {
    throw unusable(`the format is ${JSON.stringify(format)}, not a number from 1 to ${FORMAT}`)
  }
  if (checksum(JSON.stringify({ documents, history })) !== value.checksum) {
    throw unusable('the checksum is wrong: the file was damaged or edited')
  }
  if (!isDocuments(documents) || !isHistory(history)) throw unusable('these are not the documents of a store')
  // Before there were stores that can lose a revision, the revision said which state it was.
  return { documents: { ...documents, head: documents.head ?? String(documents.revision) }, history, format }
}

/**
 * Replaces `file`, durably: at every moment there is the old snapshot or the new one. `temporary`: where it is written
 * first. Throws what the disk says. `format`: that of the file, not the contents'; a cache that loses nothing when an older
 * version replaces it can keep the first one.
 */
export async function writeSnapshot(
  file: string,
  { documents, history, format }: WrittenSnapshot,
  temporary = `${file}.tmp`,
): Promise<void> {
  const body = JSON.stringify({ documents, history })
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(`{"format":${format},"checksum":"${checksum(body)}",${body.slice(1)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  await syncDirectory(dirname(file))
}
