//! Writes a datum as Avro has it, by the struct alone.
//!
//! A record's schema and its struct agree in everything that the bytes depend on (see `registry`): the order of the fields,
//! an option's `null` first, an enum's symbols in the order of the variants. So no schema is asked for each field, which is
//! what took most of the time of encoding: every stage writes what it keeps, says and decides. The golden tests hold the bytes,
//! and with debug assertions each record is read again by its schema.

use std::fmt::{self, Display};

use alert::packed::{self, PACKED, Texts};
use serde::ser::{Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer, StdError};

/// A value that no schema of ours has a place for, or bytes that are no datum of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit(pub(crate) String);

impl Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Misfit {}

impl serde::ser::Error for Misfit {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl serde::de::Error for Misfit {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[cold]
pub(crate) fn none_of_ours<T>(what: &str) -> Result<T, Misfit> {
    Err(Misfit(format!("no schema of ours has {what}")))
}

/// Writes values one behind the other.
#[derive(Debug)]
pub(crate) struct Datum<'a> {
    written: &'a mut Vec<u8>,
    /// The text that comes is a label set's, packed.
    packed: bool,
}

impl<'a> Datum<'a> {
    /// Writes behind what is there.
    pub(crate) const fn behind(written: &'a mut Vec<u8>) -> Self {
        Self { written, packed: false }
    }

    /// A label set as the map it is.
    fn label_set(&mut self, packed: &str) {
        let pairs = packed::count(packed);
        if pairs > 0 {
            self.length(pairs);
            for text in Texts::of(packed) {
                self.bytes(text);
            }
        }
        self.written.push(0);
    }

    /// A number as Avro's `int` and `long`: zigzag, seven bits a byte, the lowest first.
    fn number(&mut self, number: i64) {
        const MORE: u64 = 0x80;
        let mut bits = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while bits >= MORE {
            self.written
                .push(u8::try_from(bits & (MORE - 1) | MORE).unwrap_or_default());
            bits >>= 7;
        }
        self.written.push(u8::try_from(bits).unwrap_or_default());
    }

    #[inline]
    fn length(&mut self, length: usize) {
        self.number(i64::try_from(length).unwrap_or(i64::MAX));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.written.extend_from_slice(bytes);
    }

    /// Begins an array or a map: its items stand in one block, if it has any.
    fn begin(self, length: Option<usize>) -> Result<Self, Misfit> {
        match length {
            None => none_of_ours("a sequence of unknown length"),
            Some(0) => Ok(self),
            Some(length) => {
                let mut items = self;
                items.length(length);
                Ok(items)
            }
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Misfit> {
        item.serialize(Datum::behind(self.written))
    }

    /// Ends an array or a map.
    fn end_of_items(self) {
        self.written.push(0);
    }
}

impl<'a> Serializer for Datum<'a> {
    type Ok = ();
    type Error = Misfit;
    type SerializeSeq = Datum<'a>;
    type SerializeTuple = Impossible<(), Misfit>;
    type SerializeTupleStruct = Impossible<(), Misfit>;
    type SerializeTupleVariant = Impossible<(), Misfit>;
    type SerializeMap = Datum<'a>;
    type SerializeStruct = Datum<'a>;
    type SerializeStructVariant = Impossible<(), Misfit>;

    fn serialize_bool(self, value: bool) -> Result<(), Misfit> {
        self.written.push(u8::from(value));
        Ok(())
    }

    fn serialize_i8(self, _: i8) -> Result<(), Misfit> {
        none_of_ours("an i8")
    }

    fn serialize_i16(self, _: i16) -> Result<(), Misfit> {
        none_of_ours("an i16")
    }

    fn serialize_i32(mut self, value: i32) -> Result<(), Misfit> {
        self.number(value.into());
        Ok(())
    }

    fn serialize_i64(mut self, value: i64) -> Result<(), Misfit> {
        self.number(value);
        Ok(())
    }

    fn serialize_u8(self, _: u8) -> Result<(), Misfit> {
        none_of_ours("a u8")
    }

    fn serialize_u16(self, _: u16) -> Result<(), Misfit> {
        none_of_ours("a u16")
    }

    fn serialize_u32(self, _: u32) -> Result<(), Misfit> {
        none_of_ours("a u32")
    }

    fn serialize_u64(self, _: u64) -> Result<(), Misfit> {
        none_of_ours("a u64")
    }

    fn serialize_f32(self, _: f32) -> Result<(), Misfit> {
        none_of_ours("an f32")
    }

    fn serialize_f64(self, value: f64) -> Result<(), Misfit> {
        self.written.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, _: char) -> Result<(), Misfit> {
        none_of_ours("a char")
    }

    fn serialize_str(mut self, text: &str) -> Result<(), Misfit> {
        if self.packed {
            self.label_set(text);
        } else {
            self.bytes(text.as_bytes());
        }
        Ok(())
    }

    fn serialize_bytes(mut self, bytes: &[u8]) -> Result<(), Misfit> {
        self.bytes(bytes);
        Ok(())
    }

    fn serialize_none(mut self) -> Result<(), Misfit> {
        self.number(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), Misfit> {
        self.number(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Misfit> {
        none_of_ours("a unit")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Misfit> {
        none_of_ours("a unit struct")
    }

    fn serialize_unit_variant(mut self, _: &'static str, index: u32, _: &'static str) -> Result<(), Misfit> {
        self.number(index.into());
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Misfit> {
        if name == PACKED {
            value.serialize(Self { packed: true, ..self })
        } else {
            none_of_ours("a newtype that is not transparent")
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Misfit> {
        none_of_ours("an enum with data")
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Misfit> {
        self.begin(length)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Misfit> {
        none_of_ours("a tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Misfit> {
        none_of_ours("a tuple struct")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Misfit> {
        none_of_ours("an enum with data")
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self, Misfit> {
        self.begin(length)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Misfit> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Misfit> {
        none_of_ours("an enum with data")
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl SerializeSeq for Datum<'_> {
    type Ok = ();
    type Error = Misfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Misfit> {
        self.item(item)
    }

    fn end(self) -> Result<(), Misfit> {
        self.end_of_items();
        Ok(())
    }
}

impl SerializeMap for Datum<'_> {
    type Ok = ();
    type Error = Misfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Misfit> {
        self.item(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Misfit> {
        self.item(value)
    }

    fn end(self) -> Result<(), Misfit> {
        self.end_of_items();
        Ok(())
    }
}

impl SerializeStruct for Datum<'_> {
    type Ok = ();
    type Error = Misfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Misfit> {
        self.item(value)
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), Misfit> {
        none_of_ours(&format!("a field that is left out, as {name}"))
    }

    fn end(self) -> Result<(), Misfit> {
        Ok(())
    }
}
