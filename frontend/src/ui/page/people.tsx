import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Person } from '../../protocol/session'
import { Avatar } from '../controls/avatar'
import { useFloating } from '../controls/floating'
import { strings } from '../strings'

const FACES = 4

/** Who is here: faces, and on a press their names and what they do. */
export function People({ people, count }: { people: readonly Person[]; count: number }) {
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  if (people.length === 0) return null
  // Oneself comes last: of interest are the others.
  const ordered = [...people].sort((a, b) => Number(a.self) - Number(b.self))
  const hidden = Math.max(count, people.length) - Math.min(FACES, people.length)
  const label = strings.people.label(Math.max(count, people.length))
  return (
    <>
      <button
        type="button"
        ref={button}
        class="people"
        aria-label={label}
        aria-haspopup="dialog"
        aria-expanded={open}
        data-tip={open ? undefined : label}
        onClick={() => setOpen(!open)}
      >
        {ordered.slice(0, FACES).map(person => (
          <Avatar key={person.user} name={person.name} color={person.color} away={isAway(person)} />
        ))}
        {hidden > 0 && <span class="avatar rest" data-initials={`+${hidden}`} />}
      </button>
      {open && (
        <PeopleList
          label={label}
          people={ordered}
          others={count - people.length}
          anchor={button.current}
          close={refocus => {
            setOpen(false)
            if (refocus) button.current?.focus()
          }}
        />
      )}
    </>
  )
}

function PeopleList(props: {
  label: string
  people: Person[]
  others: number
  anchor: HTMLElement | null
  close(refocus: boolean): void
}) {
  const ref = useRef<HTMLDivElement>(null)
  useFloating(
    ref,
    () => props.anchor?.getBoundingClientRect(),
    'end',
    why => props.close(why === 'escape'),
    target => props.anchor?.contains(target) ?? false,
  )
  useLayoutEffect(() => ref.current?.focus(), [])
  return (
    <div
      ref={ref}
      popover="manual"
      class="menu people-list"
      role="dialog"
      aria-label={props.label}
      tabIndex={-1}
    >
      <ul>
        {props.people.map(person => (
          <li key={person.user}>
            <Avatar name={person.name} color={person.color} away={isAway(person)} />
            <span class="person-name">
              {person.name}
              {person.self && <span class="faint-text"> ({strings.people.you})</span>}
            </span>
            <span class="faint-text">{strings.people.state[person.state]}</span>
          </li>
        ))}
      </ul>
      {props.others > 0 && <p class="faint-text">{strings.people.more(props.others)}</p>}
    </div>
  )
}

function isAway({ state }: Person): boolean {
  return state === 'away' || state === 'idle' || state === 'reconnecting'
}
