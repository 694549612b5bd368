//! NumPy's `.npy` format, versions 1 to 3: numbers and booleans, little-endian.
//!
//! Layout: magic `\x93NUMPY`, version, length of the header, a Python dictionary as text, values.

use std::io::Read;

use super::{Array, Numbers};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest header; NumPy's own is at most a few hundred bytes.
const MAX_HEADER_BYTES: u32 = 64 << 10;
/// Most dimensions of NumPy.
const MAX_RANK: usize = 64;
/// Read in pieces of this many bytes, so that memory follows what is there.
const PIECE_BYTES: u64 = 1 << 20;

/// Element type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `bool`.
    Bool,
    /// Signed integers of 1, 2, 4 or 8 bytes.
    Signed(usize),
    /// Unsigned integers.
    Unsigned(usize),
    /// `f32` or `f64`.
    Float(usize),
}

/// What comes before the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Element type.
    pub element: Type,
    /// The first dimension is the fastest.
    pub fortran: bool,
    /// Sizes of the dimensions.
    pub shape: Vec<u64>,
    /// Bytes of the head itself.
    pub bytes: u64,
}

impl Head {
    fn value_bytes(&self) -> Result<u64, String> {
        let size = match self.element {
            Type::Bool => 1,
            Type::Signed(n) | Type::Unsigned(n) | Type::Float(n) => n as u64,
        };
        (self.shape.iter())
            .try_fold(size, |n, d| n.checked_mul(*d))
            .ok_or_else(|| format!(": shape {:?} is too large", self.shape))
    }
}

/// Reads the head.
///
/// # Errors
/// Starts with `: `, to follow the name of the file.
pub fn read_head(from: &mut impl Read) -> Result<Head, String> {
    let cut = |_| ": the file ends within its head".to_string();
    let mut fixed = [0; 8];
    from.read_exact(&mut fixed).map_err(cut)?;
    if &fixed[..6] != MAGIC {
        return Err(": this is no .npy file".into());
    }
    let mut length = [0; 4];
    let wide = match fixed[6] {
        1 => 2,
        2 | 3 => 4,
        other => return Err(format!(": version {other} of .npy is unknown")),
    };
    from.read_exact(&mut length[..wide]).map_err(cut)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(format!(": a head of {length} bytes is too long"));
    }
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text).map_err(cut)?;
    let text = String::from_utf8(text).map_err(|_| ": the head is no text".to_string())?;
    let bytes = 8 + wide as u64 + u64::from(length);
    parse_head(&text, bytes).ok_or_else(|| {
        let shown: String =
            text.trim_end().chars().take(100).flat_map(char::escape_debug).collect();
        format!(
            ": cannot use the array `{shown}`: integers to 64 bits, floats, bool, little-endian"
        )
    })
}

fn parse_head(text: &str, bytes: u64) -> Option<Head> {
    let after = |key: &str| {
        let at = text.find(&format!("'{key}':"))?;
        Some(text[at + key.len() + 3..].trim_start())
    };
    let descr = after("descr")?.strip_prefix('\'')?;
    let descr = &descr[..descr.find('\'')?];
    let (order, kind) = descr.split_at_checked(1)?;
    if !["<", "|", "="].contains(&order) {
        return None;
    }
    let (kind, size) = kind.split_at_checked(1)?;
    let size: usize = size.parse().ok()?;
    let element = match (kind, size) {
        ("b", 1) => Type::Bool,
        ("i", 1 | 2 | 4 | 8) => Type::Signed(size),
        ("u", 1 | 2 | 4 | 8) => Type::Unsigned(size),
        ("f", 4 | 8) => Type::Float(size),
        _ => return None,
    };
    let fortran = after("fortran_order")?.starts_with("True");
    let shape = after("shape")?.strip_prefix('(')?;
    let shape = shape[..shape.find(')')?]
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty())
        .map(|size| size.parse::<u64>().ok())
        .collect::<Option<Vec<u64>>>()?;
    (shape.len() <= MAX_RANK).then_some(Head { element, fortran, shape, bytes })
}

/// Reads an array. `length` is the length of the whole file, where it is known.
///
/// # Errors
/// As [`read_head`], and what `check` says of the shape.
pub fn read(
    from: &mut impl Read,
    length: Option<u64>,
    check: &dyn Fn(&[u64]) -> Result<(), String>,
) -> Result<Array, String> {
    let head = read_head(from)?;
    check(&head.shape)?;
    let due = head.value_bytes()?;
    if let Some(length) = length
        && length - head.bytes.min(length) != due
    {
        let found = length - head.bytes.min(length);
        return Err(format!(": {found} bytes of values where shape {:?} needs {due}", head.shape));
    }
    // As much as is there for certain is asked for at once.
    let mut bytes = Vec::with_capacity(length.map_or(0, |_| due as usize));
    while (bytes.len() as u64) < due {
        let before = bytes.len();
        let piece = PIECE_BYTES.max(before as u64).min(due - before as u64);
        from.take(piece).read_to_end(&mut bytes).map_err(|e| format!(": {e}"))?;
        if bytes.len() == before {
            return Err(format!(": {before} bytes of values where {due} are announced"));
        }
    }
    let mut numbers = decode(&bytes, head.element)?;
    if head.fortran {
        numbers = match numbers {
            Numbers::Whole(values) => Numbers::Whole(row_major(&values, &head.shape)),
            Numbers::Real(values) => Numbers::Real(row_major(&values, &head.shape)),
        };
    }
    Ok(Array { shape: head.shape, numbers, lines: Vec::new() })
}

fn decode(bytes: &[u8], element: Type) -> Result<Numbers, String> {
    let word = |piece: &[u8]| piece.iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let (singles, doubles) = (bytes.as_chunks::<4>().0, bytes.as_chunks::<8>().0);
    Ok(match element {
        Type::Bool => Numbers::Whole(bytes.iter().map(|b| i128::from(*b)).collect()),
        Type::Unsigned(size) => {
            Numbers::Whole(bytes.chunks_exact(size).map(|p| i128::from(word(p))).collect())
        }
        Type::Signed(size) => {
            let shift = 64 - 8 * size as u32;
            let signed = |p| i128::from((word(p) << shift) as i64 >> shift);
            Numbers::Whole(bytes.chunks_exact(size).map(signed).collect())
        }
        Type::Float(4) => {
            Numbers::Real(singles.iter().map(|&p| f32::from_le_bytes(p).into()).collect())
        }
        Type::Float(_) => Numbers::Real(doubles.iter().map(|&p| f64::from_le_bytes(p)).collect()),
    })
}

/// The same array with the last dimension fastest.
fn row_major<T: Copy>(values: &[T], shape: &[u64]) -> Vec<T> {
    let mut strides = Vec::new();
    let mut stride = 1_usize;
    for size in shape {
        strides.push(stride);
        stride *= *size as usize;
    }
    let mut index = vec![0; shape.len()];
    let mut out = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        out.push(values[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] as usize {
                break;
            }
            index[axis] = 0;
        }
    }
    out
}

/// A file of 64-bit integers; values beyond them are cut off.
pub fn encode_whole(shape: &[u64], values: &[i128]) -> Vec<u8> {
    encode("<i8", shape, values.iter().map(|v| (*v as i64).to_le_bytes()))
}

/// A file of `f64`.
pub fn encode_real(shape: &[u64], values: &[f64]) -> Vec<u8> {
    encode("<f8", shape, values.iter().map(|v| v.to_le_bytes()))
}

/// A file of `f32`.
pub fn encode_single(shape: &[u64], values: &[f32]) -> Vec<u8> {
    encode("<f4", shape, values.iter().map(|v| v.to_le_bytes()))
}

/// A file of booleans.
pub fn encode_bool(shape: &[u64], values: &[bool]) -> Vec<u8> {
    encode("|b1", shape, values.iter().map(|v| [u8::from(*v)]))
}

fn encode<const N: usize>(
    descr: &str,
    shape: &[u64],
    values: impl ExactSizeIterator<Item = [u8; N]>,
) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(u64::to_string).collect();
    let tail = if shape.len() == 1 { "," } else { "" };
    let text = format!(
        "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{tail}), }}",
        sizes.join(", ")
    );
    let padding = 64 - (10 + text.len() + 1) % 64;
    let length = u16::try_from(text.len() + padding + 1).expect("64 dimensions fit");
    let mut out = MAGIC.to_vec();
    out.extend([1, 0]);
    out.extend(length.to_le_bytes());
    out.extend(text.bytes());
    out.extend(std::iter::repeat_n(b' ', padding));
    out.push(b'\n');
    out.reserve_exact(N * values.len());
    values.for_each(|value| out.extend_from_slice(&value));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_bytes(bytes: &[u8]) -> Result<Array, String> {
        read(&mut &bytes[..], Some(bytes.len() as u64), &|_| Ok(()))
    }

    fn with_head(text: &str, values: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([1, 0]);
        out.extend((text.len() as u16).to_le_bytes());
        out.extend(text.bytes());
        out.extend(values);
        out
    }

    #[test]
    fn what_is_written_reads_back() {
        for shape in [vec![], vec![3], vec![0], vec![2, 3], vec![1, 2, 2]] {
            let count = shape.iter().product::<u64>() as i128;
            let values: Vec<i128> = (0..count).map(|v| v * 1000 - 2).collect();
            let bytes = encode_whole(&shape, &values);
            assert_eq!((bytes.len() - 8 * values.len()) % 64, 0);
            let array = from_bytes(&bytes).unwrap();
            assert_eq!((array.shape, array.numbers), (shape.clone(), Numbers::Whole(values)));
        }
        let array = from_bytes(&encode_real(&[2], &[0.5, -1e300])).unwrap();
        assert_eq!(array.numbers, Numbers::Real(vec![0.5, -1e300]));
        let array = from_bytes(&encode_single(&[2], &[0.5, -3e38])).unwrap();
        assert_eq!(array.numbers, Numbers::Real(vec![0.5, f64::from(-3e38_f32)]));
        assert_eq!((encode_single(&[576], &[0.25; 576]).len() - 4 * 576) % 64, 0);
        let array = from_bytes(&encode_bool(&[2], &[true, false])).unwrap();
        assert_eq!(array.numbers, Numbers::Whole(vec![1, 0]));
    }

    #[test]
    fn every_width_sign_and_order_is_understood() {
        let head = |descr: &str, order: &str| {
            format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': (2, 2), }}\n")
        };
        let whole = |values: [i128; 4]| Numbers::Whole(values.to_vec());
        let bytes = with_head(&head("|i1", "False"), &[1, 0xff, 0x80, 0x7f]);
        assert_eq!(from_bytes(&bytes).unwrap().numbers, whole([1, -1, -128, 127]));
        let bytes = with_head(&head("|u1", "True"), &[1, 2, 3, 255]);
        assert_eq!(from_bytes(&bytes).unwrap().numbers, whole([1, 3, 2, 255]));
        let bytes = with_head(&head("<i2", "False"), &[0, 0x80, 1, 0, 2, 0, 0xff, 0xff]);
        assert_eq!(from_bytes(&bytes).unwrap().numbers, whole([-32768, 1, 2, -1]));
        let floats: Vec<u8> =
            [0.5_f32, 1.0, 2.0, -4.0].iter().flat_map(|f| f.to_le_bytes()).collect();
        let bytes = with_head(&head("<f4", "False"), &floats);
        assert_eq!(from_bytes(&bytes).unwrap().numbers, Numbers::Real(vec![0.5, 1.0, 2.0, -4.0]));
        for descr in [">i4", "<c8", "|O", "<U3", "<f2", "i", "", "<i3", "é1"] {
            assert!(from_bytes(&with_head(&head(descr, "False"), &[0; 16])).is_err(), "{descr}");
        }
    }

    #[test]
    fn announced_sizes_are_not_trusted() {
        let head = "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }\n";
        let bytes = with_head(head, &[0; 80]);
        assert!(from_bytes(&bytes).is_err());
        assert!(read(&mut &bytes[..], None, &|_| Ok(())).is_err());
        let head = head.replace("1000000000000,", "4294967296, 4294967296, 4294967296");
        assert!(from_bytes(&with_head(&head, &[])).unwrap_err().contains("too large"));
        let mut long = with_head("", &[]);
        (long[6], long[9]) = (2, 0xff);
        long.extend([0xff, 0xff]);
        assert!(from_bytes(&long).unwrap_err().contains("too long"));
    }

    #[test]
    fn garbage_and_cuts_never_panic() {
        let good = encode_whole(&[2, 3], &[1, 2, 3, 4, 5, 6]);
        for cut in 0..good.len() {
            assert!(from_bytes(&good[..cut]).is_err());
        }
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (state >> 33) as usize % bytes.len();
                bytes[at] = (state >> 20) as u8;
            }
            let _ = from_bytes(&bytes);
        }
    }
}
