//! Records as Kafka carries them, and as we do.

use alert::Timestamp;
use processor::{Meta, Record};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use rdkafka::util::IntoOpaque;

use crate::log::NewRecord;

/// Kafka counts partitions in `i32`.
pub(super) fn native_partition(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// The partition as we count; a client's "any" (-1) never occurs in what is read.
pub(super) fn partition(native: i32) -> u32 {
    u32::try_from(native).unwrap_or(u32::MAX)
}

fn headers(record: &NewRecord) -> Option<OwnedHeaders> {
    if record.meta.is_none() && record.headers.is_empty() {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 1);
    if let Some(meta) = &record.meta {
        headers = headers.insert(Header {
            key: Meta::HEADER,
            value: Some(&meta.encode()),
        });
    }
    for (name, value) in &record.headers {
        headers = headers.insert(Header {
            key: name,
            value: Some(value),
        });
    }
    Some(headers)
}

/// What a record takes up in a producer's queue, roughly.
pub(super) fn size(record: &NewRecord) -> usize {
    let headers: usize = record
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    record.key.len() + record.value.as_ref().map_or(0, Vec::len) + headers + 128
}

/// Hands a record to a producer; the opaque comes back when the queue does not take it.
pub(super) fn enqueue<C: ProducerContext>(
    producer: &BaseProducer<C>,
    topic: &str,
    record: &NewRecord,
    opaque: C::DeliveryOpaque,
) -> Result<(), (RDKafkaErrorCode, C::DeliveryOpaque)>
where
    C::DeliveryOpaque: IntoOpaque,
{
    let new = BaseRecord {
        topic,
        partition: Some(native_partition(record.partition)),
        payload: record.value.as_deref(),
        key: Some(record.key.as_slice()),
        timestamp: None,
        headers: headers(record),
        delivery_opaque: opaque,
    };
    producer.send(new).map_err(|(error, back)| {
        (
            error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidArgument),
            back.delivery_opaque,
        )
    })
}

/// A record that was read. A meta header of another layout stays among the other headers.
pub(super) fn read(message: &BorrowedMessage<'_>) -> Record {
    let mut meta = None;
    let mut others = Vec::new();
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        let value = header.value.unwrap_or_default();
        match Meta::decode(value) {
            Ok(decoded) if header.key == Meta::HEADER && meta.is_none() => meta = Some(decoded),
            Ok(_) | Err(_) => others.push((header.key.to_owned(), value.to_vec())),
        }
    }
    Record {
        partition: partition(message.partition()),
        offset: message.offset(),
        appended: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or_default()),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
        meta,
        headers: others,
    }
}
