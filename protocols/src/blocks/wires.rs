//! Bits of many numbers, bit-major: circuits work on rows.

use mpc_runtime::{Depth, Result, Step};

use crate::Protocol;
use crate::prepared::prepared_fields;
use crate::value::{ClearBits, ClearVec, Shares};

/// `width` rows of `lanes` shared bits: row `j` holds bit `j` of every lane.
#[derive(Clone)]
pub struct Wires {
    bits: Shares,
    lanes: usize,
    width: usize,
}

prepared_fields!(Wires { bits, lanes, width });

impl Wires {
    /// Rows from one vector.
    pub fn new(bits: Shares, lanes: usize, width: usize) -> Wires {
        assert_eq!(bits.len(), lanes * width, "rows of another length");
        Wires { bits, lanes, width }
    }

    /// One row.
    pub fn row_of(bits: Shares) -> Wires {
        let lanes = bits.len();
        Wires { bits, lanes, width: 1 }
    }

    /// One row of zeros.
    ///
    /// # Errors
    /// Those of the protocol.
    pub async fn zeros(p: &dyn Protocol, step: &Step, lanes: usize) -> Result<Wires> {
        let zeros = ClearBits::new(vec![false; lanes], Depth::ZERO);
        Ok(Wires::row_of(p.public_bits(step, &zeros).await?))
    }

    /// Rows from elements of `width` bits each, lowest first.
    pub fn from_elements(bits: &Shares, width: usize) -> Wires {
        let lanes = bits.len() / width;
        let rows = bits.pick(bits.len(), |at| at % lanes * width + at / lanes);
        Wires::new(rows, lanes, width)
    }

    /// Elements of `width` bits each, lowest first.
    pub fn to_elements(&self) -> Shares {
        let (lanes, width) = (self.lanes, self.width);
        self.bits.pick(lanes * width, |at| at % width * lanes + at / width)
    }

    /// Number of lanes.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Number of rows.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All rows as one vector.
    pub fn bits(&self) -> &Shares {
        &self.bits
    }

    /// All rows as one vector.
    pub fn into_bits(self) -> Shares {
        self.bits
    }

    /// Rows `from..to`.
    pub fn range(&self, from: usize, to: usize) -> Wires {
        let bits = self.bits.slice(from * self.lanes..to * self.lanes);
        Wires::new(bits, self.lanes, to - from)
    }

    /// One row.
    pub fn row(&self, j: usize) -> Shares {
        self.range(j, j + 1).bits
    }

    /// Row `i` of the result is row `rows[i]`.
    pub fn pick(&self, rows: &[usize]) -> Wires {
        Wires::new(self.bits.gather_rows(rows, self.lanes), self.lanes, rows.len())
    }

    /// All rows of `parts` one after the other.
    pub fn stack(parts: &[Wires]) -> Wires {
        let lanes = parts.first().map_or(0, |w| w.lanes);
        assert!(parts.iter().all(|w| w.lanes == lanes), "rows of different lengths");
        let bits: Vec<Shares> = parts.iter().map(|w| w.bits.clone()).collect();
        Wires::new(Shares::concat(&bits), lanes, parts.iter().map(|w| w.width).sum())
    }

    /// `a ∧ b`, row by row.
    ///
    /// # Errors
    /// Those of the protocol.
    pub async fn and(p: &dyn Protocol, step: &Step, a: &Wires, b: &Wires) -> Result<Wires> {
        Ok(a.with(p.and(step, &a.bits, &b.bits).await?))
    }

    /// `a ⊕ b`, row by row.
    ///
    /// # Errors
    /// Those of the protocol.
    pub async fn xor(p: &dyn Protocol, step: &Step, a: &Wires, b: &Wires) -> Result<Wires> {
        Ok(a.with(p.xor(step, &a.bits, &b.bits).await?))
    }

    /// `a ⊕ b`, row by row, where never both are 1.
    ///
    /// # Errors
    /// Those of the protocol.
    pub async fn xor_disjoint(
        p: &dyn Protocol,
        step: &Step,
        a: &Wires,
        b: &Wires,
    ) -> Result<Wires> {
        Ok(a.with(p.xor_disjoint(step, &a.bits, &b.bits).await?))
    }

    /// `¬a`.
    ///
    /// # Errors
    /// Those of the protocol.
    pub async fn not(p: &dyn Protocol, step: &Step, a: &Wires) -> Result<Wires> {
        let one = ClearBits::new(vec![true], Depth::ZERO);
        Ok(a.with(p.xor_clear(step, &a.bits, &one).await?))
    }

    fn with(&self, bits: Shares) -> Wires {
        Wires::new(bits, self.lanes, self.width)
    }
}

/// The low `width` bits of public numbers, as rows.
pub fn clear_rows<T: Copy>(
    c: &ClearVec<T>,
    width: usize,
    bit: impl Fn(T, usize) -> bool,
) -> ClearBits {
    let lanes = c.len();
    c.map(lanes * width, |v| {
        (0..width).flat_map(|j| v.iter().map(move |&x| (x, j))).map(|(x, j)| bit(x, j)).collect()
    })
}
