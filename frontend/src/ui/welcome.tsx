import { useEffect, useRef, useState } from 'preact/hooks'
import type { Identity } from '../transport/api'
import { Wordmark } from './controls/logo'
import { problemText } from './problemText'
import { useServices } from './services'
import { strings } from './strings'

/** Where nobody is signed in: a name, and one may write. */
export function Welcome({ enter }: { enter(identity: Identity): void }) {
  const { api } = useServices()
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    document.title = strings.documentTitle('')
    field.current?.focus()
  }, [])

  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const name = String(new FormData(form).get('name') ?? '').trim()
    if (!name) {
      setError(strings.welcome.needName)
      field.current?.focus()
      return
    }
    setBusy(true)
    try {
      enter(await api.signIn(name))
    } catch (problem) {
      setError(problemText(problem))
      setBusy(false)
    }
  }

  return (
    <main class="welcome">
      <form onSubmit={submit} noValidate>
        <Wordmark />
        <h1>{strings.welcome.title}</h1>
        <label for="name">{strings.welcome.question}</label>
        <input
          id="name"
          name="name"
          class="field"
          autoComplete="nickname"
          ref={field}
          maxLength={80}
          placeholder={strings.welcome.placeholder}
          aria-invalid={error !== ''}
          aria-describedby="name-error"
          onInput={() => setError('')}
        />
        <p id="name-error" class="field-error" role="alert">
          {error}
        </p>
        <button type="submit" class="button primary large" disabled={busy}>
          {strings.welcome.start}
        </button>
      </form>
    </main>
  )
}
