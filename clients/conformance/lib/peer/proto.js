// The API as grpc-js takes it, and protobuf's values as JSON has them.
import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import protoLoader from '@grpc/proto-loader'

const folder = fileURLToPath(new URL('../../../../proto', import.meta.url))
const files = ['authorization_service.proto', 'registry_service.proto'].map(file => `socketpass/v1/${file}`)
const options = { includeDirs: [folder], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true }

export const { AuthorizationService, RegistryService } =
  grpc.loadPackageDefinition(protoLoader.loadSync(files, options)).socketpass.v1

export const statusNames = Object.fromEntries(Object.entries(grpc.status).map(([name, code]) => [code, name]))

export function struct (object) {
  return object && { fields: Object.fromEntries(Object.entries(object).map(([name, one]) => [name, value(one)])) }
}

export function value (plain) {
  if (plain === null) return { nullValue: 0 }
  if (typeof plain === 'string') return { stringValue: plain }
  if (typeof plain === 'number') return { numberValue: plain }
  if (typeof plain === 'boolean') return { boolValue: plain }
  return Array.isArray(plain) ? { listValue: { values: plain.map(value) } } : { structValue: struct(plain) }
}

export function plainStruct (message) {
  if (!message) return null
  return Object.fromEntries(Object.entries(message.fields ?? {}).map(([name, one]) => [name, plainValue(one)]))
}

export function plainValue (message) {
  if (message.kind === 'structValue') return plainStruct(message.structValue)
  if (message.kind === 'listValue') return (message.listValue.values ?? []).map(plainValue)
  return message.kind === 'nullValue' ? null : message[message.kind]
}

export function duration (seconds) {
  return { seconds: Math.floor(seconds), nanos: Math.round((seconds % 1) * 1e9) }
}

export function plainSocket (socket) {
  const { user, data, connected_at: at } = socket
  const connectedAt = at && at.seconds * 1_000 + at.nanos / 1e6
  return { ...socket, user: plainStruct(user), data: plainStruct(data), connected_at: connectedAt }
}

export function plainDecision (decision) {
  return { ...decision, reason: decision.reason.replace?.(/^REASON_/, '') ?? decision.reason, user: plainStruct(decision.user) }
}

export function decision ({ reason = 'AUTHORIZED', user, ...rest }) {
  return { ...rest, reason: typeof reason === 'string' ? `REASON_${reason}` : reason, user: struct(user) }
}
