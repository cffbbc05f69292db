import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { Format, PageRow } from '../../transport/api'
import { Avatar } from '../controls/avatar'
import { Dialog } from '../controls/dialog'
import { Icon } from '../controls/icons'
import { MenuButton, type MenuEntry } from '../controls/menu'
import { copyText } from '../controls/save'
import { toast } from '../controls/toast'
import { exportEntries, type LostNotes, LostNotesDialog } from '../page/export'
import { usePageActions } from '../page/pageActions'
import { problemText } from '../problemText'
import { now, relativeTime } from '../relativeTime'
import { pageHref } from '../route'
import { navigate } from '../router'
import { useServices } from '../services'
import { listed, strings } from '../strings'

const FACES = 3

/** A page in the list. */
export function Row({ row, formats }: { row: PageRow; formats: Format[] }) {
  const { api } = useServices()
  const { moveToTrash } = usePageActions()
  const renaming = useSignal(false)
  const lost = useSignal<LostNotes | null>(null)
  const title = row.title || strings.untitled
  const mayEdit = row.role === 'edit' || row.role === 'own'

  const entries = (): MenuEntry[] => [
    { label: strings.list.open, icon: 'file', run: () => navigate(pageHref(row.id)) },
    ...(mayEdit
      ? [
          {
            label: strings.list.rename,
            icon: 'pencil' as const,
            run: () => {
              renaming.value = true
            },
          },
        ]
      : []),
    {
      label: strings.list.copyLink,
      icon: 'link',
      run: () => void copyText(new URL(pageHref(row.id), location.href).href, strings.toast.copied),
    },
    ...exportEntries(api, row.id, formats, notes => {
      lost.value = notes
    }),
    ...(mayEdit
      ? [
          'line' as const,
          {
            label: strings.list.moveToTrash,
            icon: 'trash' as const,
            danger: true,
            run: () => void moveToTrash(row.id, title),
          },
        ]
      : []),
  ]

  return (
    <li class="row">
      <a href={pageHref(row.id)} class="row-link">
        <span class={row.title ? 'row-title' : 'row-title untitled'}>{title}</span>
        <span class="row-excerpt">{row.excerpt || strings.list.noText}</span>
      </a>
      <Faces people={row.people ?? []} />
      <When time={row.updated} />
      <MenuButton label={strings.list.menuOf(title)} align="end" entries={entries}>
        <Icon name="more" />
      </MenuButton>
      {renaming.value && (
        <RenameDialog
          row={row}
          close={() => {
            renaming.value = false
          }}
        />
      )}
      {lost.value && (
        <LostNotesDialog
          {...lost.value}
          close={() => {
            lost.value = null
          }}
        />
      )}
    </li>
  )
}

/** A page in the trash: it can only come back. */
export function TrashRow({ row }: { row: PageRow }) {
  const { putBack } = usePageActions()
  const title = row.title || strings.untitled
  return (
    <li class="row">
      <div class="row-link">
        <span class={row.title ? 'row-title' : 'row-title untitled'}>{title}</span>
        <span class="row-excerpt">
          {row.trashed
            ? strings.list.trashed(relativeTime(new Date(row.trashed), now.value))
            : row.excerpt || strings.list.noText}
        </span>
      </div>
      <button type="button" class="button" onClick={() => void putBack(row.id, title)}>
        <Icon name="restore" />
        {strings.list.putBack}
      </button>
    </li>
  )
}

function Faces({ people }: { people: NonNullable<PageRow['people']> }) {
  if (people.length === 0) return null
  const names = strings.list.here(listed(people.map(({ name }) => name)))
  return (
    <span class="faces" role="img" aria-label={names} data-tip={names}>
      {people.slice(0, FACES).map(person => (
        <Avatar key={person.user} {...person} />
      ))}
      {people.length > FACES && <span class="avatar rest" data-initials={`+${people.length - FACES}`} />}
    </span>
  )
}

function When({ time }: { time: string }) {
  const date = new Date(time)
  return (
    <time class="row-time" dateTime={time} title={date.toLocaleString('en')}>
      {relativeTime(date, now.value)}
    </time>
  )
}

function RenameDialog({ row, close }: { row: PageRow; close(): void }) {
  const { api, list } = useServices()
  const field = useRef<HTMLInputElement>(null)
  const save = async (event: SubmitEvent) => {
    event.preventDefault()
    const title = field.current!.value.trim()
    if (title === row.title) return close()
    try {
      list.update(row.id, await api.renamePage(row.id, title))
      close()
    } catch (error) {
      toast(problemText(error), { tone: 'bad' })
    }
  }
  return (
    <Dialog title={strings.rename.title} close={close} class="small">
      <form onSubmit={save}>
        <input
          ref={field}
          class="field"
          autoFocus
          defaultValue={row.title}
          aria-label={strings.rename.label}
          placeholder={strings.untitled}
          onFocus={event => event.currentTarget.select()}
        />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={close}>
            {strings.dialog.cancel}
          </button>
          <button type="submit" class="button primary">
            {strings.rename.save}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
