//! Reads a datum as [`Datum`](crate::datum::Datum) wrote it, by the struct alone.
//!
//! What the newest schema of a record wrote has its fields in the struct's order (see `registry`): they are read one behind the
//! other, and no name is looked up, no schema asked. Bytes that an older schema wrote are read by that schema.

use alert::packed::{PACKED, Packing};
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use crate::datum::{Misfit, none_of_ours};

const NO_TEXT: &str = "a text that is not UTF-8";

#[cold]
fn unreadable(why: &str) -> Misfit {
    Misfit(why.to_owned())
}

/// Reads values one behind the other.
#[derive(Debug)]
pub(crate) struct Reader<'de> {
    rest: &'de [u8],
}

impl<'de> Reader<'de> {
    pub(crate) const fn new(datum: &'de [u8]) -> Self {
        Self { rest: datum }
    }

    /// What is behind the values read so far.
    pub(crate) const fn left(&self) -> &'de [u8] {
        self.rest
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Misfit> {
        let (byte, rest) = self.rest.split_first().ok_or_else(|| unreadable("it is cut short"))?;
        self.rest = rest;
        Ok(*byte)
    }

    /// Avro's `int` and `long`: zigzag, seven bits a byte, the lowest first.
    #[inline]
    fn number(&mut self) -> Result<i64, Misfit> {
        let mut bits = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7F);
            if low << shift >> shift != low {
                break;
            }
            bits |= low << shift;
            if byte < 0x80 {
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        Err(unreadable("a number of more than 64 bits"))
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8], Misfit> {
        let length = self.number()?;
        let split = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length));
        let (bytes, rest) = split.ok_or_else(|| unreadable("a text or bytes longer than what is left"))?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn text(&mut self) -> Result<&'de str, Misfit> {
        str::from_utf8(self.bytes()?).map_err(|_| unreadable(NO_TEXT))
    }

    /// A map of texts as a label set holds it: all of it is packed, and then checked to be text.
    fn label_set(&mut self) -> Result<String, Misfit> {
        let mut packing = Packing::begin();
        loop {
            let pairs = self.block()?;
            if pairs == 0 {
                break;
            }
            for _ in 0..pairs {
                packing.push(self.bytes()?);
                packing.push(self.bytes()?);
            }
        }
        packing.finish().map_err(|_| unreadable(NO_TEXT))
    }

    /// How many items the next block of an array or a map has; 0 at its end.
    #[inline]
    fn block(&mut self) -> Result<usize, Misfit> {
        let mut items = self.number()?;
        if items < 0 {
            // Then the block's size in bytes follows, for who wants to pass over it.
            self.number()?;
            items = items.saturating_neg();
        }
        // Every item of ours takes a byte at least.
        let items = usize::try_from(items).ok().filter(|items| *items <= self.rest.len());
        items.ok_or_else(|| unreadable("more items than there are bytes"))
    }
}

/// The fields of a struct.
struct Fields<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Misfit;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The items of an array or a map, of which `left` are left in this block.
struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'a, 'de> Items<'a, 'de> {
    fn begin(reader: &'a mut Reader<'de>) -> Result<Self, Misfit> {
        let left = reader.block()?;
        Ok(Self { reader, left })
    }

    /// Reads an item, if there is one.
    #[inline]
    fn item<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        let item = seed.deserialize(&mut *self.reader)?;
        self.left = left;
        Ok(Some(item))
    }

    /// Behind the last item of a block comes another block, or the end.
    #[inline]
    fn next_block(&mut self) -> Result<(), Misfit> {
        if self.left == 0 {
            self.left = self.reader.block()?;
        }
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Misfit;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let item = self.item(seed)?;
        if item.is_some() {
            self.next_block()?;
        }
        Ok(item)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Misfit;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.item(seed)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let value = seed.deserialize(&mut *self.reader)?;
        self.next_block()?;
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// A symbol of an enum, by its place.
struct Symbol(u32);

impl<'de> EnumAccess<'de> for Symbol {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Misfit> {
        let place: U32Deserializer<Misfit> = self.0.into_deserializer();
        Ok((seed.deserialize(place)?, self))
    }
}

impl<'de> VariantAccess<'de> for Symbol {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Misfit> {
        none_of_ours("an enum with data")
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Misfit> {
        none_of_ours("an enum with data")
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Misfit> {
        none_of_ours("an enum with data")
    }
}

/// Methods for types that no struct of ours has a field of.
macro_rules! no_such_field {
    ($($method:ident: $what:literal),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Misfit> {
            none_of_ours($what)
        })+
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Misfit;

    no_such_field! {
        deserialize_any: "a value of any type",
        deserialize_i8: "an i8",
        deserialize_i16: "an i16",
        deserialize_u8: "a u8",
        deserialize_u16: "a u16",
        deserialize_u32: "a u32",
        deserialize_u64: "a u64",
        deserialize_f32: "an f32",
        deserialize_char: "a char",
        deserialize_unit: "a unit",
        deserialize_identifier: "a name in its datum",
        deserialize_ignored_any: "a field that is left out",
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(unreadable("a truth value that is neither 0 nor 1")),
        }
    }

    #[inline]
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let number = self.number()?;
        let int = i32::try_from(number).map_err(|_| unreadable("an int of more than 32 bits"))?;
        visitor.visit_i32(int)
    }

    #[inline]
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_i64(self.number()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let split = self.rest.split_first_chunk();
        let (bytes, rest) = split.ok_or_else(|| unreadable("it is cut short"))?;
        self.rest = rest;
        visitor.visit_f64(f64::from_le_bytes(*bytes))
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_str(self.text()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.number()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(unreadable("a union of more than two")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Misfit> {
        none_of_ours("a unit struct")
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, to: V) -> Result<V::Value, Misfit> {
        if name == PACKED {
            to.visit_string(self.label_set()?)
        } else {
            none_of_ours("a newtype that is not transparent")
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_seq(Items::begin(self)?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Misfit> {
        none_of_ours("a tuple")
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, _: V) -> Result<V::Value, Misfit> {
        none_of_ours("a tuple struct")
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_map(Items::begin(self)?)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_seq(Fields {
            reader: self,
            left: fields.len(),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let place = u32::try_from(self.number()?)
            .ok()
            .filter(|place| usize::try_from(*place).is_ok_and(|place| place < variants.len()));
        visitor.visit_enum(Symbol(
            place.ok_or_else(|| unreadable("an enum without such a symbol"))?,
        ))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
