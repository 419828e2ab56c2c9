package io.socketpass.nettysocketio;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;

/** A WebSocket to a Socket.IO server that says what it is told to, byte by byte. */
final class RawWebSocket {
  private final Socket socket;
  private final DataInputStream in;
  private final OutputStream out;

  RawWebSocket(int port, String headers) throws IOException {
    this(port, "", headers);
    if (!next().startsWith("0{")) {
      throw new IOException("not opened");
    }
  }

  /** For a connection that polls so far. */
  static RawWebSocket beside(RawPolls polls) throws IOException {
    return new RawWebSocket(polls.port(), "&sid=" + polls.sid(), "");
  }

  private RawWebSocket(int port, String query, String headers) throws IOException {
    socket = new Socket("127.0.0.1", port);
    socket.setSoTimeout(45_000);
    in = new DataInputStream(socket.getInputStream());
    out = socket.getOutputStream();
    String request =
        "GET /socket.io/?EIO=4&transport=websocket"
            + query
            + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + headers
            + "\r\n";
    out.write(request.getBytes(StandardCharsets.ISO_8859_1));
    StringBuilder head = new StringBuilder();
    while (!head.toString().endsWith("\r\n\r\n")) {
      head.append((char) in.readUnsignedByte());
    }
    if (!head.toString().startsWith("HTTP/1.1 101")) {
      throw new IOException(head.toString());
    }
  }

  /** One text frame, masked with zeros. */
  void send(String text) throws IOException {
    byte[] payload = text.getBytes(StandardCharsets.UTF_8);
    byte[] frame = new byte[6 + payload.length];
    frame[0] = (byte) 0x81;
    frame[1] = (byte) (0x80 | payload.length);
    System.arraycopy(payload, 0, frame, 6, payload.length);
    out.write(frame);
  }

  /** The next packet that carries a message. */
  String nextMessage() throws IOException {
    String next;
    do {
      next = next();
    } while (!next.startsWith("4"));
    return next;
  }

  void awaitEnd() throws IOException {
    try {
      while (true) {
        next();
      }
    } catch (EOFException | SocketException e) {
      socket.close();
    }
  }

  void close() throws IOException {
    socket.close();
  }

  String next() throws IOException {
    in.readUnsignedByte();
    int length = in.readUnsignedByte();
    byte[] payload = new byte[length == 126 ? in.readUnsignedShort() : length];
    in.readFully(payload);
    return new String(payload, StandardCharsets.UTF_8);
  }
}
