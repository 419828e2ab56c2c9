package io.socketpass.nettysocketio;

import com.corundumstudio.socketio.namespace.Namespace;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;

/**
 * What a packet is, to netty-socketio: it reads types from the lower half of a byte, takes a second digit for a Socket.IO type
 * whatever the first one is, and still takes the length prefixes of Engine.IO 3. Whatever it would take for a CONNECT must be
 * one here, too.
 */
final class Packets {
  static final byte SEPARATOR = 0x1E;
  private static final int PING = 2;
  private static final int MESSAGE = 4;
  private static final int CONNECT = 0;
  private static final int DISCONNECT = 1;
  private static final int BINARY_EVENT = 5;
  private static final int BINARY_ACK = 6;
  private static final int LONGEST_PREFIX = 10;

  private Packets() {}

  /** Whether a client of Engine.IO 4 sends this. */
  static boolean isRegular(ByteBuf packet) {
    if (!packet.isReadable() || isPrefixed(packet)) {
      return false;
    }
    int type = half(packet, 0);
    return packet.readableBytes() == 1 || type == PING || type == MESSAGE;
  }

  static boolean isMessage(ByteBuf packet) {
    return packet.readableBytes() > 1 && half(packet, 0) == MESSAGE;
  }

  static boolean isConnect(ByteBuf packet) {
    return isMessage(packet) && half(packet, 1) == CONNECT;
  }

  /** The length of the frames of Engine.IO 3, as text or in binary. */
  static boolean isPrefixed(ByteBuf packet) {
    int start = packet.readerIndex();
    if (packet.getByte(start) == 0) {
      return true;
    }
    for (int i = 0; i < Math.min(packet.readableBytes(), LONGEST_PREFIX); i++) {
      byte b = packet.getByte(start + i);
      if (b == ':' && i > 0) {
        return true;
      }
      if (b < '0' || b > '9') {
        return false;
      }
    }
    return false;
  }

  static boolean isDisconnect(ByteBuf message) {
    return half(message, 1) == DISCONNECT;
  }

  /** The namespace that a message is for. */
  static String namespace(ByteBuf message) {
    int body = message.bytesBefore((byte) '[');
    String head = text(message, 2, body < 0 ? message.readableBytes() : body);
    int type = half(message, 1);
    if (type == BINARY_EVENT || type == BINARY_ACK) {
      head = head.substring(head.indexOf('-') + 1);
    }
    int comma = head.indexOf(',');
    return head.startsWith("/") && comma > 0 ? name(head.substring(0, comma)) : Namespace.DEFAULT_NAME;
  }

  /** The namespace that somebody asks for. */
  static String wanted(ByteBuf connect) {
    String rest = text(connect, 2, connect.readableBytes());
    int comma = rest.indexOf(',');
    return rest.startsWith("/") ? name(comma < 0 ? rest : rest.substring(0, comma)) : Namespace.DEFAULT_NAME;
  }

  /** The auth payload as JSON, or nothing. */
  static String payload(ByteBuf connect) {
    String rest = text(connect, 2, connect.readableBytes());
    if (!rest.startsWith("/")) {
      return rest;
    }
    int comma = rest.indexOf(',');
    return comma < 0 ? "" : rest.substring(comma + 1);
  }

  private static String name(String path) {
    int query = path.indexOf('?');
    String name = query < 0 ? path : path.substring(0, query);
    return name.equals("/") ? Namespace.DEFAULT_NAME : name;
  }

  private static String text(ByteBuf packet, int from, int to) {
    return packet.toString(packet.readerIndex() + from, Math.max(0, to - from), StandardCharsets.UTF_8);
  }

  private static int half(ByteBuf packet, int index) {
    return packet.getByte(packet.readerIndex() + index) & 0xF;
  }
}
