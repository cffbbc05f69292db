import { useEffect } from 'preact/hooks'
import { Dialog } from '../controls/dialog'
import { Icon } from '../controls/icons'
import { NoteList } from '../page/export'
import { pageHref } from '../route'
import { strings } from '../strings'
import type { Importer, ImportItem } from './importer'

/** What became of the files: each with what it lost, or why it was refused. */
export function ImportDialog({ importer, close }: { importer: Importer; close(): void }) {
  const items = importer.items.value
  const done = items.filter(({ state }) => state.tag === 'done' || state.tag === 'failed').length
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (importer.running) event.preventDefault()
    }
    addEventListener('beforeunload', warn)
    return () => removeEventListener('beforeunload', warn)
  }, [importer])

  const progress = strings.import.progress(done, items.length)
  return (
    <Dialog title={strings.import.title} close={close} class="import">
      <div class="import-progress">
        <progress value={done} max={items.length} aria-label={progress} />
        <span aria-live="polite">{progress}</span>
      </div>
      <ul>
        {items.map((item, index) => (
          <Item key={`${index} ${item.name}`} {...item} />
        ))}
      </ul>
      <div class="dialog-actions">
        <button type="button" class="button primary" onClick={close}>
          {strings.import.close}
        </button>
      </div>
    </Dialog>
  )
}

function Item({ name, state }: ImportItem) {
  return (
    <li class={`import-item ${state.tag}`}>
      <Icon name={state.tag === 'done' ? 'check' : state.tag === 'failed' ? 'warn' : 'file'} />
      <div>
        <strong>{name}</strong>
        {state.tag === 'waiting' && <p>{strings.import.waiting}</p>}
        {state.tag === 'reading' && <p>{strings.import.reading}</p>}
        {state.tag === 'failed' && <p>{state.why}</p>}
        {state.tag === 'done' && state.notes.length > 0 && (
          <details open>
            <summary>{strings.import.lost}</summary>
            <NoteList notes={state.notes} />
          </details>
        )}
      </div>
      {state.tag === 'done' && (
        <a class="button" href={pageHref(state.page.id)}>
          {strings.import.open}
        </a>
      )}
    </li>
  )
}
