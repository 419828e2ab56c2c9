/** The client of socketpass: who may open a socket, who is connected, and what the fleet says. */
package io.socketpass;
