//! Protocol buffers as they lie in a file: fields with their numbers, one after the other.
//!
//! Nothing is copied: what is read borrows the bytes. Nested messages are bytes until somebody asks for their fields, so that no depth of
//! nesting costs anything.

/// Why bytes are no model.
pub(super) type Malformed = String;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The fields of a message, in order.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number has more than ten bytes".into())
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], Malformed> {
        let count = usize::try_from(count).ok().filter(|n| *n <= self.0.len());
        let (taken, rest) = self.0.split_at(count.ok_or("the file ends inside a field")?);
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u64, Payload<'a>), Malformed> {
        let key = self.varint()?;
        let payload = match key & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(u64::from_le_bytes(array(self.take(8)?))),
            2 => {
                let length = self.varint()?;
                Payload::Bytes(self.take(length)?)
            }
            5 => Payload::Fixed32(u32::from_le_bytes(array(self.take(4)?))),
            other => return Err(format!("a field has the unknown wire type {other}")),
        };
        Ok((key >> 3, payload))
    }
}

/// The first N bytes of a slice that has them.
pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0))
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Payload<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Payload<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Payload::Bytes(bytes) => Ok(bytes),
            _ => Err("a field that should hold bytes holds a number".into()),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8".into())
    }

    pub(super) fn int(self) -> Result<i64, Malformed> {
        match self {
            Payload::Varint(n) => Ok(n as i64),
            _ => Err("a field that should hold an integer holds something else".into()),
        }
    }

    pub(super) fn float(self) -> Result<f32, Malformed> {
        match self {
            Payload::Fixed32(n) => Ok(f32::from_bits(n)),
            _ => Err("a field that should hold a float holds something else".into()),
        }
    }

    /// Integers, packed or a single one, appended to a list of at most `most`.
    pub(super) fn ints(self, out: &mut Vec<i64>, most: usize) -> Result<(), Malformed> {
        match self {
            Payload::Varint(n) => push(out, n as i64, most),
            Payload::Bytes(bytes) => {
                let mut rest = Fields(bytes);
                while !rest.0.is_empty() {
                    push(out, rest.varint()? as i64, most)?;
                }
                Ok(())
            }
            _ => Err("a field that should hold integers holds something else".into()),
        }
    }

    /// Floats, packed or a single one.
    pub(super) fn floats(self, out: &mut Vec<f32>, most: usize) -> Result<(), Malformed> {
        match self {
            Payload::Fixed32(n) => push(out, f32::from_bits(n), most),
            Payload::Bytes(bytes) => {
                each::<4>(bytes)?.try_for_each(|b| push(out, f32::from_le_bytes(b), most))
            }
            _ => Err("a field that should hold floats holds something else".into()),
        }
    }

    /// Doubles, packed or a single one.
    pub(super) fn doubles(self, out: &mut Vec<f64>, most: usize) -> Result<(), Malformed> {
        match self {
            Payload::Fixed64(n) => push(out, f64::from_bits(n), most),
            Payload::Bytes(bytes) => {
                each::<8>(bytes)?.try_for_each(|b| push(out, f64::from_le_bytes(b), most))
            }
            _ => Err("a field that should hold doubles holds something else".into()),
        }
    }
}

/// Bytes in groups of N.
pub(super) fn each<const N: usize>(
    bytes: &[u8],
) -> Result<impl Iterator<Item = [u8; N]>, Malformed> {
    if !bytes.len().is_multiple_of(N) {
        return Err(format!("{} bytes are no whole number of elements", bytes.len()));
    }
    Ok(bytes.chunks_exact(N).map(array))
}

fn push<T>(out: &mut Vec<T>, item: T, most: usize) -> Result<(), Malformed> {
    if out.len() >= most {
        return Err(format!("a list has more than the {most} elements announced or allowed"));
    }
    out.push(item);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_nothing_beyond_the_end() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f];
        let fields: Vec<_> = Fields(&bytes).map(Result::unwrap).collect();
        assert_eq!(fields[0].1.int(), Ok(150));
        assert_eq!(fields[1].1.text(), Ok("hi"));
        assert_eq!(fields[2].1.float(), Ok(1.0));
        assert!(fields[0].1.bytes().is_err() && fields[1].1.int().is_err());
        for cut in [1, 2, 4, 5, 6, 8, 11] {
            assert!(Fields(&bytes[..cut]).any(|f| f.is_err()), "cut at {cut}");
        }
        assert!(Fields(&[0xff; 20]).any(|f| f.is_err()), "a number without an end");
        assert!(Fields(&[0x0b]).any(|f| f.is_err()), "a group");
    }

    #[test]
    fn lists_are_packed_or_not_and_limited() {
        let (mut ints, mut floats) = (vec![], vec![]);
        Payload::Bytes(&[1, 0x96, 1]).ints(&mut ints, 3).unwrap();
        Payload::Varint(u64::MAX).ints(&mut ints, 3).unwrap();
        assert_eq!(ints, [1, 150, -1]);
        assert!(Payload::Varint(1).ints(&mut ints, 3).is_err());
        assert!(Payload::Bytes(&[0; 5]).floats(&mut floats, 9).is_err());
        Payload::Bytes(&[0; 8]).floats(&mut floats, 9).unwrap();
        assert_eq!(floats, [0.0, 0.0]);
    }
}
