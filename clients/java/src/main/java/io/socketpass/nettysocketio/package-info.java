/** For netty-socketio. */
package io.socketpass.nettysocketio;
