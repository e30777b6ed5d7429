//! UUIDs of version 4.

/// A new one, from the system's randomness.
///
/// Fails if the system has none.
pub(crate) fn v4() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
    Ok(format(bytes))
}

/// The text of these 16 bytes with version 4 and the variant of RFC 9562 put in.
fn format(bytes: [u8; 16]) -> String {
    const VERSION: (u128, u128) = (0xF << 76, 4 << 76);
    const VARIANT: (u128, u128) = (0b11 << 62, 0b10 << 62);
    let bits = [VERSION, VARIANT]
        .into_iter()
        .fold(u128::from_be_bytes(bytes), |bits, (mask, set)| bits & !mask | set);
    let field = |shift: u32, digits: u32| (bits >> shift) & ((1 << (4 * digits)) - 1);
    let (head, tail) = (field(96, 8), field(0, 12));
    format!(
        "{head:08x}-{:04x}-{:04x}-{:04x}-{tail:012x}",
        field(80, 4),
        field(64, 4),
        field(48, 4)
    )
}

/// Whether a text is a UUID as go-openapi's `strfmt` takes them: hyphens may be missing, letters of any case.
pub(crate) fn is_uuid(text: &str) -> bool {
    let mut rest = text;
    for digits in [8, 4, 4, 4, 12] {
        let Some((part, tail)) = rest.split_at_checked(digits) else {
            return false;
        };
        if !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        rest = tail.strip_prefix('-').filter(|tail| !tail.is_empty()).unwrap_or(tail);
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_4() {
        assert_eq!(format([0xFF; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(format([0; 16]), "00000000-0000-4000-8000-000000000000");
        let (one, other) = (v4().unwrap(), v4().unwrap());
        assert!(is_uuid(&one) && one != other, "{one} {other}");
    }

    #[test]
    fn uuids_are_known() {
        let rows = [
            ("ffffffff-ffff-4fff-bfff-ffffffffffff", true),
            ("FFFFFFFFffff4fffbfffffffffffffff", true),
            ("notauuid", false),
            ("", false),
            ("ffffffff-ffff-4fff-bfff-fffffffffff", false),
            ("ffffffff-ffff-4fff-bfff-ffffffffffff0", false),
            ("ffffffff-ffff-4fff-bfff-ffffffffffff-", false),
            ("gfffffff-ffff-4fff-bfff-ffffffffffff", false),
        ];
        for (text, expected) in rows {
            assert_eq!(is_uuid(text), expected, "{text}");
        }
    }
}
