import type { Api, Format, Note } from '../../transport/api'
import { Dialog } from '../controls/dialog'
import type { MenuEntry } from '../controls/menu'
import { saveFile } from '../controls/save'
import { toast } from '../controls/toast'
import { problemText } from '../problemText'
import { strings } from '../strings'

/** What an exported file could not hold. */
export interface LostNotes {
  label: string
  file: string
  notes: Note[]
}

/** Menu entries that save the page as a file; `onLost` hears what it lost. */
export function exportEntries(
  api: Api,
  id: string,
  formats: Format[],
  onLost: (lost: LostNotes) => void,
): MenuEntry[] {
  const exportable = formats.filter(format => format.export)
  if (exportable.length === 0) return []
  return [
    'line',
    { heading: strings.page.export },
    ...exportable.map(
      (format): MenuEntry => ({
        label: format.label,
        icon: 'download',
        run: () => void exportAs(api, id, format, onLost),
      }),
    ),
  ]
}

async function exportAs(
  api: Api,
  id: string,
  format: Format,
  onLost: (lost: LostNotes) => void,
): Promise<void> {
  try {
    const { name, blob, notes } = await api.exportPage(id, format.name)
    saveFile(name, blob)
    if (notes.length > 0) onLost({ label: format.label, file: name, notes })
    else toast(strings.export.done(name))
  } catch (error) {
    toast(problemText(error), { tone: 'bad' })
  }
}

export function LostNotesDialog({ label, file, notes, close }: LostNotes & { close(): void }) {
  return (
    <Dialog title={strings.export.lostTitle(label)} close={close}>
      <p>{strings.export.lost(file)}</p>
      <NoteList notes={notes} />
      <div class="dialog-actions">
        <button type="button" class="button primary" onClick={close}>
          {strings.export.close}
        </button>
      </div>
    </Dialog>
  )
}

/** What a conversion could not keep, a line for each kind of thing. */
export function NoteList({ notes }: { notes: Note[] }) {
  return (
    <ul class="notes">
      {notes.map(note => (
        <li key={`${note.what} ${note.where ?? ''}`}>
          <strong>{strings.note(note)}</strong> {note.note}
        </li>
      ))}
    </ul>
  )
}
