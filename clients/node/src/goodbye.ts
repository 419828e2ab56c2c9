/** What can be closed before the process ends. */
interface Closable {
  close: () => Promise<void>
}

const closables = new Set<Closable>()

/** Has it closed when SIGTERM comes. */
export function closeOnSigterm (closable: Closable): void {
  // First in line: another listener may end the process.
  if (closables.size === 0) process.prependListener('SIGTERM', sigterm)
  closables.add(closable)
}

export function forget (closable: Closable): void {
  if (closables.delete(closable) && closables.size === 0) process.off('SIGTERM', sigterm)
}

function sigterm (): void {
  void Promise.allSettled([...closables].map(closable => closable.close())).then(() => {
    process.off('SIGTERM', sigterm)
    // Without a listener of the application's the signal would have ended the process. Now it does.
    if (process.listenerCount('SIGTERM') === 0) process.kill(process.pid, 'SIGTERM')
  })
}
