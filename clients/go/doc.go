// Package socketpass makes a WebSocket server on net/http a gateway of socketpass: handshakes are authorized, each socket
// knows its user, the fleet's registry knows the socket, and what the fleet commands is carried out.
//
//	client, err := socketpass.New(socketpass.Config{Address: "socketpass.internal:50051"})
//	…
//	http.Handle("/chat", client.Authorize(http.HandlerFunc(chat)))
//
// Within the handler [UserFrom] says who it is. Once the connection is upgraded, Track of the package coderws or gorillaws
// puts it on the registry's list, until its Release:
//
//	socket, err := coderws.Track(r.Context(), conn)
//	…
//	defer socket.Release()
//
// [Client.Close] ends it all in order: sockets are told, and are off the list when it returns.
package socketpass
