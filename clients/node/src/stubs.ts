// The messages and stubs of the whole API, for what the client has no method for.
export {
  AuthorizationServiceClient, AuthorizationServiceService, AuthorizeRequest, AuthorizeResponse, ExplainRequest, ExplainResponse,
  ExplainStep, Handshake
} from './generated/socketpass/v1/authorization_service'
export { Close } from './generated/socketpass/v1/close'
export { Reason } from './generated/socketpass/v1/reason'
export * from './generated/socketpass/v1/registry_service'
