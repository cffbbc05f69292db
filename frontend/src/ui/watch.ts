import { useEffect, useReducer } from 'preact/hooks'

/** Renders the component again whenever `source` says that it has changed. */
export function useWatch(source: { subscribe(listener: () => void): () => void } | null | undefined): void {
  const [, render] = useReducer((n: number) => n + 1, 0)
  useEffect(() => source?.subscribe(() => render(undefined)), [source])
}
