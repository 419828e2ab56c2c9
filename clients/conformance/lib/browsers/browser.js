// A browser's end of a socket: what it hears, whether over Socket.IO or over a WebSocket.
export class Browser {
  heard = [] // {event, args}
  user // What it was last sent about itself.
  accepted = false
  rejected // What it heard instead.
  closed // {code, reason}
  returned = false // Let in again after that.

  constructor (happenings) {
    this.happenings = happenings
  }

  hear (event, args) {
    if (event === 'you') {
      this.user = args[0]
      this.accepted = true
      this.returned = Boolean(this.closed)
      this.told = (this.told ?? 0) + 1
    } else {
      this.heard.push({ event, args })
    }
    this.happenings.happened()
  }

  // Before it was let in this is a rejection.
  end (how) {
    if (this.accepted) this.closed ??= how
    else this.rejected ??= how
    this.happenings.happened()
  }
}

// `/socket.io/` and any path take a query.
export function queryText (query = {}) {
  return Object.entries(query).map(pair => pair.map(encodeURIComponent).join('=')).join('&')
}
