//! JSON as Go's `json.Encoder` writes it, which escapes more than JSON's own rules ask for.
//!
//! A message is written once for each notification: each text in one pass, names of fields as they stand.

/// Writes an object field by field, in the order of the calls.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object; [`Object::end`] ends it.
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Begins a field. Its name needs no escapes.
    fn field(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        text(self.field(name), value);
    }

    /// A number.
    pub(crate) fn number(&mut self, name: &'static str, value: usize) {
        self.field(name).extend_from_slice(value.to_string().as_bytes());
    }

    /// An object of texts, in the order of the pairs.
    pub(crate) fn pairs<'p>(&mut self, name: &'static str, pairs: impl IntoIterator<Item = (&'p str, &'p str)>) {
        let mut object = Object::begin(self.field(name));
        for (name, value) in pairs {
            object.comma();
            text(object.out, name);
            object.out.push(b':');
            text(object.out, value);
        }
        object.end();
    }

    /// An array of objects.
    pub(crate) fn objects<T>(
        &mut self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(T, &mut Object<'_>),
    ) {
        let out = self.field(name);
        out.push(b'[');
        for (place, item) in items.into_iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let mut object = Object::begin(out);
            write(item, &mut object);
            object.end();
        }
        out.push(b']');
    }

    /// Ends the object.
    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes a text in quotes.
fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| is_suspect(*byte)) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = escaped(out, from);
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Whether a character that is escaped may begin with this byte.
const fn is_suspect(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\' | b'<' | b'>' | b'&' | SEPARATOR)
}

/// What U+2028 and U+2029 begin with in UTF-8; others do, too.
const SEPARATOR: u8 = 0xE2;

/// Writes the suspect byte at the beginning, with those of its character that decide, and says what is left.
fn escaped<'t>(out: &mut Vec<u8>, text: &'t [u8]) -> &'t [u8] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let Some((byte, rest)) = text.split_first() else {
        return text;
    };
    let short = match byte {
        b'"' => b"\\\"",
        b'\\' => b"\\\\",
        b'\n' => b"\\n",
        b'\r' => b"\\r",
        b'\t' => b"\\t",
        0x08 => b"\\b",
        0x0C => b"\\f",
        &SEPARATOR => {
            let (long, rest) = match rest {
                [0x80, 0xA8, rest @ ..] => (&b"\\u2028"[..], rest),
                [0x80, 0xA9, rest @ ..] => (&b"\\u2029"[..], rest),
                _ => (&[SEPARATOR][..], rest),
            };
            out.extend_from_slice(long);
            return rest;
        }
        _ => {
            out.extend_from_slice(b"\\u00");
            let digits = [byte >> 4, byte & 0xF].map(|digit| HEX.get(usize::from(digit)).copied().unwrap_or_default());
            out.extend_from_slice(&digits);
            return rest;
        }
    };
    out.extend_from_slice(short);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_escaped_as_go_does() {
        let rows = [
            ("", r#""""#),
            ("plain é 😀 \u{7f}", "\"plain é 😀 \u{7f}\""),
            ("<a> & \"b\\c\"", r#""\u003ca\u003e \u0026 \"b\\c\"""#),
            ("\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f}", r#""\u0000\b\t\n\u000b\f\r\u001f""#),
            ("\u{2028}\u{2029}\u{2027}€", "\"\\u2028\\u2029\u{2027}€\""),
        ];
        for (plain, json) in rows {
            let mut out = Vec::new();
            text(&mut out, plain);
            assert_eq!(String::from_utf8(out).unwrap(), json, "{plain:?}");
            assert_eq!(serde_json::from_str::<String>(json).unwrap(), plain);
        }
    }

    #[test]
    fn objects_and_arrays_have_their_commas() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.pairs("none", []);
        object.pairs("two", [("a", "1"), ("b", "2")]);
        object.objects("items", ["x", "y"], |item, object| object.text("item", item));
        object.objects::<()>("empty", [], |(), _| {});
        object.number("n", 3);
        object.end();
        let json = r#"{"none":{},"two":{"a":"1","b":"2"},"items":[{"item":"x"},{"item":"y"}],"empty":[],"n":3}"#;
        assert_eq!(String::from_utf8(out).unwrap(), json);
    }
}
