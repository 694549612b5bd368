//! What preprocessing yields, and how it is kept from one run to another.
//!
//! A verb does what depends on no operand within [`prepared`]. In a run that uses what an earlier one has
//! kept ([`mpc_runtime::kept`]) this takes no message and no work.

use mpc_runtime::step::Ahead;
use mpc_runtime::{Depth, Error, Result, Step};
use zeroize::Zeroizing;

use crate::protocol::Protocol;
use crate::value::{Plane, Shares, Unit};

/// What `make` yields in the preprocessing phase, which depends on no input, or what an earlier run has
/// kept of it. A part of a step that belongs to that phase itself is kept with the whole.
///
/// # Errors
/// Those of `make`; what was kept is of another program.
pub(crate) async fn prepared<T: Prepared>(
    step: &Step,
    make: impl AsyncFnOnce(&Step) -> Result<T>,
) -> Result<T> {
    let prep = match step.ahead() {
        Ahead::Itself(step) => return make(step).await,
        Ahead::Part(prep) => prep,
    };
    if let Some(bytes) = prep.kept()? {
        let (Kind(kind), made) = from_bytes(&bytes)?;
        return if kind == kind_of::<T>() { Ok(made) } else { Err(foreign()) };
    }
    let made = make(&prep).await?;
    let kind = Kind(kind_of::<T>());
    let kept = (kind, made);
    prep.keep(|| bytes(&kept))?;
    Ok(kept.1)
}

/// Tells apart what different verbs keep.
struct Kind([u8; 8]);

fn kind_of<T>() -> [u8; 8] {
    let hash = blake3::hash(std::any::type_name::<T>().as_bytes());
    hash.as_bytes()[..8].try_into().expect("there are 32")
}

impl Prepared for Kind {
    fn write(&self, out: &mut impl Sink) {
        out.put(&self.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Kind> {
        let (kind, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(Kind(*kind))
    }
}

/// Agrees on keys with the peers, or takes those that what was kept belongs to. What comes before every
/// verb.
///
/// # Errors
/// Those of the protocol; what was kept is of another one.
pub async fn set_up(p: &dyn Protocol, step: &Step) -> Result<()> {
    let prep = step.preprocessing();
    if let Some(keys) = prep.kept()? {
        return p.restore(&prep, &keys).await;
    }
    p.setup(&prep).await?;
    prep.keep(|| p.keys())
}

/// As bytes.
pub(crate) fn bytes<T: Prepared>(x: &T) -> Zeroizing<Vec<u8>> {
    let mut length = Length(0);
    x.write(&mut length);
    let mut out = Zeroizing::new(Vec::with_capacity(length.0)); // one that grows would leave copies
    x.write(&mut *out);
    out
}

/// From the bytes that [`bytes`] gave.
///
/// # Errors
/// They are no others.
pub(crate) fn from_bytes<T: Prepared>(mut bytes: &[u8]) -> Result<T> {
    let read = T::read(&mut bytes).filter(|_| bytes.is_empty());
    read.ok_or_else(foreign)
}

/// Keys as bytes, wiped when dropped.
pub type Keys = Zeroizing<Vec<u8>>;

/// What was kept is not what this program needs.
pub(crate) fn foreign() -> Error {
    Error::Program("the preprocessing is of another kind than the program needs".into())
}

/// More is needed than was kept.
pub(crate) fn lacking() -> Error {
    Error::Program(
        "the program needs more preprocessing than was made ahead: where it goes depends on values \
         that it reveals"
            .into(),
    )
}

/// Takes bytes.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts what it is given.
struct Length(usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// What can be kept.
pub(crate) trait Prepared: Sized {
    fn write(&self, out: &mut impl Sink);

    /// `None` if the bytes are not those of a value.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

impl Prepared for usize {
    fn write(&self, out: &mut impl Sink) {
        out.put(&(*self as u64).to_le_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<usize> {
        let (length, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        usize::try_from(u64::from_le_bytes(*length)).ok()
    }
}

/// What was made in another run is there from the start.
impl Prepared for Depth {
    fn write(&self, _: &mut impl Sink) {}

    fn read(_: &mut &[u8]) -> Option<Depth> {
        Some(Depth::ZERO)
    }
}

impl Prepared for Plane {
    fn write(&self, out: &mut impl Sink) {
        let words = match self.unit() {
            Unit::Bit => 0,
            Unit::Words(words) => words,
        };
        words.write(out);
        self.len().write(out);
        self.words().iter().for_each(|word| out.put(&word.to_le_bytes()));
    }

    fn read(bytes: &mut &[u8]) -> Option<Plane> {
        let unit = match usize::read(bytes)? {
            0 => Unit::Bit,
            words => Unit::Words(words),
        };
        let len = usize::read(bytes)?;
        let (word, most) = (size_of::<u64>(), 8 * bytes.len()); // an element has a bit at least
        let fits = len <= most && unit.words(1) <= most;
        let due = if fits { unit.words(len).checked_mul(word)? } else { return None };
        let (words, rest) = bytes.split_at_checked(due)?;
        *bytes = rest;
        Some(Plane::build(unit, len, |out| {
            let words = words.chunks_exact(word);
            let words = words.map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes")));
            out.iter_mut().zip(words).for_each(|(o, word)| *o = word);
        }))
    }
}

impl<T: Prepared> Prepared for Vec<T> {
    fn write(&self, out: &mut impl Sink) {
        self.len().write(out);
        self.iter().for_each(|x| x.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Option<Vec<T>> {
        let len = usize::read(bytes)?;
        (0..len).map(|_| T::read(bytes)).collect()
    }
}

impl<T: Prepared> Prepared for Option<T> {
    fn write(&self, out: &mut impl Sink) {
        usize::from(self.is_some()).write(out);
        self.iter().for_each(|x| x.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Option<Option<T>> {
        match usize::read(bytes)? {
            0 => Some(None),
            1 => T::read(bytes).map(Some),
            _ => None,
        }
    }
}

impl<A: Prepared, B: Prepared> Prepared for (A, B) {
    fn write(&self, out: &mut impl Sink) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<(A, B)> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl Prepared for Shares {
    fn write(&self, out: &mut impl Sink) {
        self.planes().len().write(out);
        self.planes().iter().for_each(|plane| plane.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Option<Shares> {
        let planes = Vec::<Plane>::read(bytes)?;
        let len = planes.first()?.len();
        planes.iter().all(|plane| plane.len() == len).then(|| Shares::new(planes, Depth::ZERO))
    }
}

/// A struct is kept field by field.
macro_rules! prepared_fields {
    ($ty:ty { $($field:ident),* }) => {
        impl $crate::prepared::Prepared for $ty {
            fn write(&self, out: &mut impl $crate::prepared::Sink) {
                $( self.$field.write(out); )*
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                $( let $field = $crate::prepared::Prepared::read(bytes)?; )*
                Some(Self { $($field),* })
            }
        }
    };
}
pub(crate) use prepared_fields;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<Shares>, Option<Plane>) {
        let bits = Plane::bits(131, |i| i % 3 == 1);
        let words = Plane::build(Unit::Words(2), 5, |out| {
            out.iter_mut().enumerate().for_each(|(i, o)| *o = u64::MAX / (i as u64 + 1));
        });
        let none = Plane::build(Unit::Words(1), 0, |_| ());
        let shares = |planes| Shares::new(planes, Depth { total: 3, online: 0 });
        (vec![shares(vec![bits]), shares(vec![words.clone(), words]), shares(vec![none])], None)
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let made = bytes(&sample());
        let (shares, none) = from_bytes::<(Vec<Shares>, Option<Plane>)>(&made).expect("the same");
        assert!(none.is_none());
        for (mine, read) in sample().0.iter().zip(&shares) {
            assert_eq!(read.depth, Depth::ZERO);
            for (mine, read) in mine.planes().iter().zip(read.planes()) {
                assert!(mine.words() == read.words() && mine.unit() == read.unit());
            }
        }
        assert_eq!(made[..], bytes(&(shares, none))[..]);
    }

    #[test]
    fn altered_bytes_are_an_error_or_another_value_and_never_too_much_memory() {
        let made = bytes(&sample());
        for cut in 0..made.len() {
            assert!(from_bytes::<(Vec<Shares>, Option<Plane>)>(&made[..cut]).is_err());
        }
        for at in 0..made.len() {
            for value in [0xff, 0x80, made[at] ^ 1] {
                let mut altered = made.to_vec();
                altered[at] = value;
                let _ = from_bytes::<(Vec<Shares>, Option<Plane>)>(&altered);
            }
        }
    }
}
