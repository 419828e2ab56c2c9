//! Protobuf on the wire. A message that cannot be read is the caller's fault and is told so, where tonic says INTERNAL.

use std::{any::TypeId, marker::PhantomData};

use prost::{
    Message,
    bytes::Buf as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use tonic::{
    Status,
    codec::{BufferSettings, Codec as TonicCodec, DecodeBuf, Decoder as TonicDecoder},
};
use tonic_prost::{ProstCodec, ProstEncoder};

use super::{
    convert::{invalid, sockets::EVENTS},
    pb::ReportRequest,
};

/// The codec of all services of ours.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> TonicCodec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Decoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        Decoder(PhantomData)
    }
}

/// Reads one kind of message.
#[derive(Debug)]
pub struct Decoder<U>(PhantomData<U>);

/// More events than a batch may have: two bytes each on the wire, and some hundred when they are read.
fn has_too_many_events(message: &[u8]) -> bool {
    const BATCH: u32 = 2;
    const EVENTS_FIELD: u32 = 2;
    parts(message, BATCH).any(|batch| parts(batch, EVENTS_FIELD).nth(EVENTS).is_some())
}

/// What stands in each field of this number that has a length. Ends early where the message is broken.
fn parts(mut message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        loop {
            let (field, wire_type) = decode_key(&mut message).ok()?;
            if wire_type != WireType::LengthDelimited {
                skip_field(wire_type, field, &mut message, DecodeContext::default()).ok()?;
                continue;
            }
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            let (part, rest) = message.split_at_checked(length)?;
            message = rest;
            if field == number {
                return Some(part);
            }
        }
    })
}

impl<U: Message + Default + 'static> TonicDecoder for Decoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        if TypeId::of::<U>() == TypeId::of::<ReportRequest>() && has_too_many_events(buffer.chunk()) {
            return Err(invalid("batch.events", "there are more than 1,000"));
        }
        // prost names the fields on the way to the one it could not read, and nothing of what is in them.
        U::decode(buffer).map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::pb::{Batch, Event, report_request};

    #[test]
    fn events_are_counted_before_they_are_read() {
        for (count, too_many) in [(0, false), (EVENTS, false), (EVENTS + 1, true)] {
            let batch = Batch { sequence: 7, events: vec![Event::default(); count], complete: true };
            let message = ReportRequest { message: Some(report_request::Message::Batch(batch)) };
            assert_eq!(has_too_many_events(&message.encode_to_vec()), too_many, "{count}");
        }
        assert!(!has_too_many_events(&[0x12, 0xff, 0xff]));
    }
}
