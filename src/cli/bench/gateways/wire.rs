//! Batches as bytes, written by hand.
//!
//! The generated types keep a user as a map of owned names and boxed values: to fill one and encode it takes some 25
//! allocations and two microseconds, as long as the service takes for the event. Written straight into a buffer it is a
//! tenth of that, and the load leaves the processor to what is measured. A test holds that the bytes are the same.

use bytes::Bytes;

use super::world::Socket;

/// A protobuf message in the making.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

/// Tag of a field that has a length: text, bytes, a message.
const fn with_length(field: u8) -> u8 {
    field << 3 | 2
}

/// Tag of a field that is a varint.
const fn varint(field: u8) -> u8 {
    field << 3
}

/// Tag of a field of eight bytes.
const fn fixed64(field: u8) -> u8 {
    field << 3 | 1
}

impl Buffer {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    /// A number; 0 is left out, as proto3 does.
    fn number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.0.push(varint(field));
            self.varint(value);
        }
    }

    fn text(&mut self, field: u8, parts: &[&str]) {
        self.0.push(with_length(field));
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.varint(u64::try_from(length).unwrap_or(u64::MAX));
        parts.iter().for_each(|part| self.0.extend_from_slice(part.as_bytes()));
    }

    fn message(&mut self, field: u8, write: impl FnOnce(&mut Self)) {
        self.0.push(with_length(field));
        let start = self.0.len();
        self.0.push(0);
        write(self);
        let mut length = self.0.len() - start - 1;
        // Most fit into the one byte that was left for them; the others are moved up.
        let mut place = start;
        while length >= 0x80 {
            self.0.insert(place, length.to_le_bytes()[0] | 0x80);
            length >>= 7;
            place += 1;
        }
        if let Some(last) = self.0.get_mut(place) {
            *last = length.to_le_bytes()[0];
        }
    }

    /// A member of a `google.protobuf.Struct`.
    fn member(&mut self, name: &str, value: impl FnOnce(&mut Self)) {
        self.message(1, |entry| {
            entry.text(1, &[name]);
            entry.message(2, value);
        });
    }

    fn text_member(&mut self, name: &str, parts: &[&str]) {
        self.member(name, |value| value.text(3, parts));
    }

    /// `Event.opened`, without the session: it is made up and in no store, so that the socket would end with it.
    pub(super) fn opened(&mut self, socket: &Socket) {
        let Socket { id, person, session_id: _, address, namespace, origin, connected_at } = socket;
        let [a, b, c] = address.map(|byte| Decimal::new(byte.into()));
        self.message(2, |event| {
            event.message(1, |message| {
                message.text(2, &[id.as_str()]);
                message.text(3, &[namespace]);
                message.text(5, &["10.", a.as_str(), ".", b.as_str(), ".", c.as_str()]);
                message.text(6, &[origin]);
                message.message(7, |user| {
                    let id = Decimal::new(person.id);
                    let email =
                        [person.first_in_email, ".", person.last_in_email, ".", id.as_str(), "@app.example"];
                    user.text_member("email", &email);
                    user.text_member("gender", &[person.gender]);
                    user.member("id", |value| {
                        value.0.push(fixed64(2));
                        value.0.extend_from_slice(&f64::from(person.id).to_le_bytes());
                    });
                    user.member("logged_in", |value| value.0.extend_from_slice(&[varint(4), 1]));
                    user.text_member("name", &[person.first, " ", person.last]);
                    user.text_member("role", &[person.role]);
                    user.text_member("team", &[person.team]);
                });
                message.message(9, |time| {
                    time.number(1, connected_at / 1_000_000);
                    time.number(2, connected_at % 1_000_000 * 1_000);
                });
            });
        });
    }

    /// `Event.closed`.
    pub(super) fn closed(&mut self, socket_id: &str) {
        self.message(2, |event| event.message(2, |closed| closed.text(1, &[socket_id])));
    }

    /// `ReportRequest.batch` of the events so far, which are taken.
    pub(super) fn batch(&mut self, sequence: u64, complete: bool) -> Bytes {
        let mut head = Self::default();
        head.number(1, sequence);
        let tail: &[u8] = if complete { &[varint(3), 1] } else { &[] };
        let length = head.0.len() + self.0.len() + tail.len();
        let mut message = Self(Vec::with_capacity(length + 8));
        message.0.push(with_length(2));
        message.varint(u64::try_from(length).unwrap_or(u64::MAX));
        message.0.extend_from_slice(&head.0);
        message.0.append(&mut self.0);
        message.0.extend_from_slice(tail);
        Bytes::from(message.0)
    }
}

/// A whole number in digits, on the stack.
struct Decimal {
    digits: [u8; 10],
    start: usize,
}

impl Decimal {
    fn new(mut number: u32) -> Self {
        let mut decimal = Self { digits: [b'0'; 10], start: 10 };
        for (place, digit) in decimal.digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (number % 10).to_le_bytes()[0];
            number /= 10;
            decimal.start = place;
            if number == 0 {
                break;
            }
        }
        decimal
    }

    fn as_str(&self) -> &str {
        self.digits.get(self.start..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::cli::bench::gateways::world::World;
    use crate::grpc::pb::{
        Batch, Event, ReportRequest, Socket as Message, SocketClosed, event, report_request,
    };

    #[test]
    fn the_bytes_are_those_of_the_generated_types() {
        let world = World::new(7, 1_000_000);
        let mut buffer = Buffer::default();
        let mut events = Vec::new();
        for slot in 0..500 {
            let socket = world.socket(3, slot, slot % 3, 0);
            buffer.opened(&socket);
            let reported = Message { session_id: String::new(), ..socket.message() };
            let opened = event::Event::Opened(reported);
            events.push(Event { event: Some(opened) });
            buffer.closed(socket.id.as_str());
            let closed = SocketClosed { socket_id: socket.id.as_str().to_owned() };
            events.push(Event { event: Some(event::Event::Closed(closed)) });
        }
        let batch = Batch { sequence: 300, events, complete: true };
        let expected = ReportRequest { message: Some(report_request::Message::Batch(batch)) };
        let bytes = buffer.batch(300, true);
        assert_eq!(ReportRequest::decode(bytes.clone()).as_ref(), Ok(&expected));
        assert_eq!(bytes, expected.encode_to_vec());
        assert_eq!(buffer.batch(1, false), [0x12, 2, 8, 1].as_slice());
    }

    #[test]
    fn numbers_in_digits() {
        for number in [0, 7, 10, 4_711, u32::MAX] {
            assert_eq!(Decimal::new(number).as_str(), number.to_string());
        }
    }
}
