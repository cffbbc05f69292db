import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Editor } from '../../binding/editor'
import { toLink } from '../../binding/format'
import { useFloating } from '../controls/floating'
import { Icon } from '../controls/icons'
import { parseRoute } from '../route'
import { strings } from '../strings'

/** Sets, changes or removes the link of what is selected. */
export function LinkPopover({ editor, close }: { editor: Editor; close(): void }) {
  const box = useRef<HTMLFormElement>(null)
  const field = useRef<HTMLInputElement>(null)
  const [now] = useState(() => editor.formats().link)
  const [error, setError] = useState('')

  useFloating(
    box,
    () => editor.selectionRect(),
    'center',
    why => {
      close()
      if (why === 'escape') editor.focus()
    },
  )

  useLayoutEffect(() => field.current?.select(), [])

  const set = (href: string | null) => {
    close()
    editor.run({ name: 'link', href })
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const typed = field.current!.value
    if (!typed.trim() && now !== null) return set(null)
    const href = toLink(typed)
    if (href === null) setError(strings.link.bad)
    else set(withinWorkspace(href))
  }

  return (
    <form
      ref={box}
      popover="manual"
      class="menu link-popover"
      aria-label={strings.link.title}
      onSubmit={submit}
      noValidate
    >
      <div class="link-field">
        <input
          ref={field}
          class="field"
          type="url"
          inputMode="url"
          defaultValue={now ?? ''}
          placeholder={strings.link.placeholder}
          aria-label={strings.link.label}
          aria-invalid={error !== ''}
          aria-describedby="link-error"
          onInput={() => setError('')}
        />
        <button type="submit" class="button primary">
          {strings.link.apply}
        </button>
        {now !== null && (
          <>
            <a
              class="icon-button"
              href={now}
              target="_blank"
              rel="noopener noreferrer nofollow"
              aria-label={strings.link.open}
              data-tip={strings.link.open}
            >
              <Icon name="external" />
            </a>
            <button
              type="button"
              class="icon-button"
              aria-label={strings.link.remove}
              data-tip={strings.link.remove}
              onClick={() => set(null)}
            >
              <Icon name="unlink" />
            </button>
          </>
        )}
      </div>
      <p id="link-error" class="field-error" role="alert">
        {error}
      </p>
    </form>
  )
}

/** The path alone where a link leads to a page here: it survives a move of the server. */
function withinWorkspace(href: string): string {
  if (!URL.canParse(href)) return href
  const url = new URL(href)
  return url.origin === location.origin && parseRoute(url).screen === 'page' ? url.pathname : href
}
