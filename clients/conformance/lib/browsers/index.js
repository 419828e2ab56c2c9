import { SocketIoBrowser } from './socketio.js'
import { WebSocketBrowser } from './websocket.js'

// How browsers speak to a kind of server, by the word in subject.json.
export const browsers = { 'socket.io': SocketIoBrowser, websocket: WebSocketBrowser }
