import { useCallback, useEffect, useState } from 'preact/hooks'
import type { PageSession } from '../../protocol/session'
import { Problem } from '../../protocol/wire'
import { Message } from '../controls/message'
import { Unreachable } from '../controls/unreachable'
import { problemText } from '../problemText'
import { navigate } from '../router'
import { useAccount, useServices } from '../services'
import { strings } from '../strings'
import { OpenPage } from './openPage'
import { usePageActions } from './pageActions'

type Opening = { tag: 'opening' } | { tag: 'open'; session: PageSession } | { tag: 'failed'; error: unknown }

/** Opens a page, or says why it cannot be opened. */
export function PageScreen({ id }: { id: string }) {
  const { openSession, departures } = useServices()
  const { signedOut } = useAccount()
  const [state, setState] = useState<Opening>({ tag: 'opening' })
  const [attempt, setAttempt] = useState(0)
  const again = useCallback(() => setAttempt(n => n + 1), [])

  useEffect(() => {
    let left = false
    let session: PageSession | null = null
    openSession(id).then(
      opened => {
        if (left) return opened.close()
        session = opened
        departures.arrive(opened)
        setState({ tag: 'open', session: opened })
      },
      error => {
        if (left) return
        if (error instanceof Problem && error.status === 401) signedOut()
        else setState({ tag: 'failed', error })
      },
    )
    return () => {
      left = true
      // After this turn: the editor goes in it, and may hand over its last edit as it does.
      queueMicrotask(() => session && departures.leave(session))
    }
  }, [id, attempt])

  switch (state.tag) {
    case 'opening':
      return <Opening />
    case 'failed':
      return <NotOpened id={id} error={state.error} retry={again} />
    case 'open':
      return <OpenPage key={state.session.client} session={state.session} reload={again} />
  }
}

/** The empty page while its text is on the way; seen only when that takes a while. */
function Opening() {
  return (
    <main class="opening" aria-busy="true" aria-label={strings.page.opening}>
      <div class="bone title" />
      <div class="bone" />
      <div class="bone" />
      <div class="bone short" />
    </main>
  )
}

function NotOpened({ id, error, retry }: { id: string; error: unknown; retry(): void }) {
  const { putBack } = usePageActions()
  const toPages = (
    <a href="/" class="button">
      {strings.list.backToPages}
    </a>
  )
  const problem = error instanceof Problem ? error : null
  if (problem?.status === 0) return <Unreachable retry={retry} />
  if (problem?.status === 404) return <Message words={strings.notFound}>{toPages}</Message>
  if (problem?.type === 'trashed')
    return (
      <Message words={strings.ended.trashed}>
        <button
          type="button"
          class="button primary"
          onClick={async () => {
            if (await putBack(id, strings.untitled)) retry()
          }}
        >
          {strings.ended.putBack}
        </button>
        {toPages}
      </Message>
    )
  return (
    <Message words={[strings.failed, problemText(error)]}>
      <button type="button" class="button primary" onClick={retry}>
        {strings.retry}
      </button>
      <button type="button" class="button" onClick={() => navigate('/')}>
        {strings.list.backToPages}
      </button>
    </Message>
  )
}
