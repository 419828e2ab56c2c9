/** For Spring WebSocket. */
package io.socketpass.spring;
