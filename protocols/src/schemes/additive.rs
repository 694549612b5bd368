//! Additive sharing of numbers among any number of parties, with triples from oblivious transfer: what is common
//! to the protocols modulo 2^k and modulo a prime.
//!
//! Sharing:  x = Σ x_i; party i holds x_i.
//! Products: Beaver's: with `d = x - a` and `e = y - b` opened, `xy = c + d·b + a·e + d·e`, and so for sums of
//!           products and products of matrices: each operand is opened once.
//! Triples:  made ahead. a and b are what parties draw; `a_i·b_j` of two parties is Gilboa's product
//!           ([`crate::blocks::ot::products`]), in which party i chooses by the bits of a_i.
//! Bits:     the exclusive or of bits of parties 0 … i is s + a - 2·s·a for the number s that those before
//!           i share and the bit a of party i: one transfer with each of them, in which i chooses.
//!
//! Cost of a triple of n numbers of k bits, to each peer: `n·k·128/c` bits of choices, c = 4 (between two parties in
//! a ring `128/c - 1`, since any a will do), and `n·k(k+1)/2` bits of products in a ring, `n·k` elements over a
//! prime; two rounds.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;

use mpc_runtime::{Depth, Error, Key, Label, Misbehaviour, Op, Party, Result, Step, Stream};
use zeroize::Zeroizing;

use super::gmw::{SHORT, opening};
use crate::Fut;
use crate::algebra::bits::copy_bits;
use crate::algebra::number::Number;
use crate::blocks::ot::products::{Products, accept, offer, prepare};
use crate::blocks::ot::{Call, Choices, Many, Ot, Received, Transfers};
use crate::cost::{Cost, Sent};
use crate::prepared::{prepared, prepared_fields};
use crate::protocol::{Seeds, Setup, now};
use crate::value::{Clear, ClearVec, Plane, Shares, Unit};

const PRODUCTS: Label = Label("additive.products");
const CONVERT: Label = Label("additive.convert");
const OPERANDS: Label = Label("additive.operands");
const OPEN: Label = Label("additive.open");

/// Purposes of streams within one verb; those of inputs are the numbers of owners.
mod purpose {
    pub(super) const A: u16 = 0;
    pub(super) const B: u16 = 1;
    pub(super) const RANDOM: u16 = 2;
}

/// One party: its keys and its transfers.
pub(crate) struct Additive<N> {
    me: Party,
    n: usize,
    own: Key,
    pair: Vec<Key>,
    ot: Rc<Ot>,
    number: PhantomData<N>,
}

/// A bilinear map of two vectors.
#[derive(Clone, Copy)]
pub(crate) enum Map {
    /// Sums of so many products.
    Dot {
        /// Products in a sum.
        inner: usize,
        /// Sums.
        len: usize,
    },
    /// Rows, inner indices, columns.
    Matrix(usize, usize, usize),
}

impl Map {
    fn operands(self) -> [usize; 2] {
        match self {
            Map::Dot { inner, len } => [inner * len; 2],
            Map::Matrix(rows, inner, cols) => [rows * inner, inner * cols],
        }
    }

    fn results(self) -> usize {
        match self {
            Map::Dot { len, .. } => len,
            Map::Matrix(rows, _, cols) => rows * cols,
        }
    }

    /// As products of numbers of one party with those of another.
    fn products<N: Number>(self) -> Products {
        let ([numbers, _], bits) = (self.operands(), N::BITS);
        match self {
            Map::Dot { inner, .. } => Products { numbers, bits, first: 0, width: 1, inner },
            Map::Matrix(_, inner, width) => Products { numbers, bits, first: 0, width, inner },
        }
    }

    /// The second operand of column `column` of products with element `number` of the first.
    fn second(self, number: usize, column: usize) -> usize {
        match self {
            Map::Dot { .. } => number,
            Map::Matrix(_, inner, cols) => number % inner * cols + column,
        }
    }

    /// `out += map(x, y)`.
    pub(crate) fn add<N: Number>(self, out: &mut [N], x: &[N], y: &[N]) {
        match self {
            Map::Dot { inner: 1, .. } => {
                let products = x.iter().zip(y).map(|(x, &y)| x.times(y));
                out.iter_mut().zip(products).for_each(|(o, p)| *o = o.plus(p));
            }
            Map::Dot { inner, .. } => {
                let rows = x.chunks_exact(inner).zip(y.chunks_exact(inner));
                for (o, (x, y)) in out.iter_mut().zip(rows) {
                    *o = x.iter().zip(y).fold(*o, |sum, (x, &y)| sum.plus(x.times(y)));
                }
            }
            Map::Matrix(_, inner, cols) => {
                for (out, row) in out.chunks_exact_mut(cols).zip(x.chunks_exact(inner)) {
                    for (&factor, y) in row.iter().zip(y.chunks_exact(cols)) {
                        let sums = out.iter_mut().zip(y);
                        sums.for_each(|(o, &y)| *o = o.plus(factor.times(y)));
                    }
                }
            }
        }
    }
}

/// The elements of a plane.
pub(crate) fn of<N: Number>(plane: &Plane) -> &[N] {
    bytemuck::cast_slice(plane.words())
}

/// The elements of a vector.
pub(crate) fn elements<N: Number>(a: &Shares) -> &[N] {
    of(a.plane(0))
}

/// A plane of elements, 0 before `fill` sets them.
pub(crate) fn plane<N: Number>(len: usize, fill: impl FnOnce(&mut [N])) -> Plane {
    Plane::build(Unit::Words(N::WORDS), len, |out| fill(bytemuck::cast_slice_mut(out)))
}

/// A vector made as [`plane`] is.
pub(crate) fn vector<N: Number>(len: usize, depth: Depth, fill: impl FnOnce(&mut [N])) -> Shares {
    Shares::new(vec![plane(len, fill)], depth)
}

pub(crate) fn add<N: Number>(out: &mut [N], x: &[N]) {
    out.iter_mut().zip(x).for_each(|(o, &x)| *o = o.plus(x));
}

fn subtract<N: Number>(out: &mut [N], x: &[N]) {
    out.iter_mut().zip(x).for_each(|(o, &x)| *o = o.minus(x));
}

/// Uniform elements of a stream.
pub(crate) fn uniform<N: Number>(stream: &Stream, out: &mut [N]) {
    uniform_from(stream, 0, out);
}

/// Uniform elements from element `first` of a stream on; `first` is even.
pub(crate) fn uniform_from<N: Number>(stream: &Stream, first: usize, out: &mut [N]) {
    stream.fill((first * N::WORDS) as u64, bytemuck::cast_slice_mut(out));
    if !N::RING {
        out.iter_mut().for_each(|x| {
            *x = N::uniform(bytemuck::cast_slice(std::slice::from_ref(x)));
        });
    }
}

/// Random operands and what a map makes of them.
struct Triple {
    a: Plane,
    b: Plane,
    c: Plane,
    depth: Depth,
}

prepared_fields!(Triple { a, b, c, depth });

pub(crate) fn out_of_range(party: Party, label: Label) -> Error {
    Error::Cheating { party, what: Misbehaviour::OutOfRange { label: label.0 } }
}

/// The number with these bits, the lowest first; the top one is negative if `signed`.
pub(crate) fn composed<N: Number>(bits: &[N], signed: bool) -> N {
    let (top, rest) = bits.split_last().expect("numbers have bits");
    let top = if signed { N::zero().minus(*top) } else { *top };
    rest.iter().rev().fold(top, |x, &bit| x.raised(1).plus(bit))
}

/// `len` elements that a peer sent.
pub(crate) async fn received<N: Number>(
    op: &Op<'_>,
    from: Party,
    label: Label,
    len: usize,
) -> Result<Plane> {
    let payload = op.recv(from, label, 8 * N::WORDS * len).await?;
    let plane = Plane::from_payload(Unit::Words(N::WORDS), len, payload);
    match plane.words().chunks_exact(N::WORDS).all(|x| N::checked(x).is_some()) {
        true => Ok(plane),
        false => Err(out_of_range(from, label)),
    }
}

impl<N: Number> Additive<N> {
    /// The transfers are of the form [`SHORT`].
    pub(crate) fn new(setup: &Setup, me: Party, seeds: &Seeds, ot: Rc<Ot>) -> Additive<N> {
        let pair = seeds.pair.iter().map(|seed| Key::new(seed, "additive")).collect();
        let own = Key::new(&seeds.own, "additive");
        Additive { me, n: setup.parties, own, pair, ot, number: PhantomData }
    }

    pub(crate) fn parties(&self) -> usize {
        self.n
    }

    fn peers(&self) -> impl Iterator<Item = Party> + use<N> {
        let me = self.me;
        (0..self.n).filter(move |&peer| peer != me)
    }

    /// `f` of the elements of two vectors.
    pub(crate) fn zip<'a>(&self, a: &Shares, b: &Shares, f: impl Fn(N, N) -> N) -> Fut<'a> {
        let operands = elements::<N>(a).iter().zip(elements::<N>(b));
        now(vector(a.len(), a.depth.max(b.depth), |out| {
            out.iter_mut().zip(operands).for_each(|(o, (&x, &y))| *o = f(x, y));
        }))
    }

    /// `f` of the elements of a vector and of clear ones.
    pub(crate) fn with_clear<'a, T: Copy>(
        &self,
        a: &Shares,
        c: &ClearVec<T>,
        f: impl Fn(N, T) -> N,
    ) -> Fut<'a> {
        let known = c.values().expect("clear operands are known to all");
        let at = |i: usize| known[if known.len() == 1 { 0 } else { i }];
        now(vector(a.len(), a.depth.max(c.depth), |out| {
            let elements = out.iter_mut().zip(elements::<N>(a)).enumerate();
            elements.for_each(|(i, (o, &x))| *o = f(x, at(i)));
        }))
    }

    /// A summand of a public number: party 0 has it.
    pub(crate) fn once(&self, x: N) -> N {
        if self.me == 0 { x } else { N::zero() }
    }

    pub(crate) fn public<'a, T: Copy>(&self, x: &ClearVec<T>, f: impl Fn(T) -> N) -> Fut<'a> {
        let known = x.values().expect("public numbers are known to all");
        now(vector(x.len(), x.depth, |out| {
            out.iter_mut().zip(known).for_each(|(o, &x)| *o = self.once(f(x)));
        }))
    }

    pub(crate) fn add_clear<'a>(&self, a: &Shares, c: &Clear) -> Fut<'a> {
        self.with_clear(a, c, |x, c| x.plus(self.once(N::from_i128(c))))
    }

    pub(crate) fn mul_clear<'a>(&self, a: &Shares, c: &Clear) -> Fut<'a> {
        self.with_clear(a, c, |x, c| x.times(N::from_i128(c)))
    }

    /// `f` of each row of `inner` elements.
    pub(crate) fn by_row<'a>(&self, a: &Shares, inner: usize, f: impl Fn(&[N]) -> N) -> Fut<'a> {
        now(vector(a.len() / inner, a.depth, |out| {
            let rows = elements(a).chunks_exact(inner);
            out.iter_mut().zip(rows).for_each(|(o, row)| *o = f(row));
        }))
    }

    pub(crate) fn sum<'a>(&self, a: &Shares, inner: usize) -> Fut<'a> {
        self.by_row(a, inner, |row| row.iter().fold(N::zero(), |s, &x| s.plus(x)))
    }

    pub(crate) fn prefix<'a>(&self, a: &Shares, inner: usize) -> Fut<'a> {
        now(vector(a.len(), a.depth, |out: &mut [N]| {
            out.copy_from_slice(elements(a));
            for row in out.chunks_exact_mut(inner) {
                (1..inner).for_each(|i| row[i] = row[i].plus(row[i - 1]));
            }
        }))
    }

    pub(crate) fn matmul_clear<'a>(
        &self,
        a: &Shares,
        b: &Clear,
        (rows, inner, cols): (usize, usize, usize),
    ) -> Fut<'a> {
        let known = b.values().expect("clear operands are known to all");
        let right: Vec<N> = known.iter().map(|&x| N::from_i128(x)).collect();
        now(vector(rows * cols, a.depth.max(b.depth), |out| {
            if inner * cols > 0 {
                Map::Matrix(rows, inner, cols).add(out, elements(a), &right);
            }
        }))
    }

    /// What `f` makes of the values of `owner`: all shares but its own are from keys that it has in common with
    /// their holders. Nothing is sent.
    pub(crate) fn share<'a, T: Copy>(
        &self,
        step: &Step,
        owner: Party,
        x: &ClearVec<T>,
        f: impl Fn(T) -> N,
    ) -> Fut<'a> {
        let op = step.op(x.depth);
        let mask = |peer: Party, out: &mut [N]| {
            uniform(&op.stream(&self.pair[peer], owner as u16), out);
        };
        now(vector(x.len(), x.depth, |out| {
            if owner != self.me {
                return mask(owner, out);
            }
            let known = x.values().expect("the owner has its values");
            out.iter_mut().zip(known).for_each(|(o, &x)| *o = f(x));
            for peer in self.peers() {
                let masks = plane(x.len(), |masks| mask(peer, masks));
                subtract(out, of(&masks));
            }
        }))
    }

    /// Sums of numbers of `bits` bits that each party draws.
    pub(crate) fn random(&self, step: &Step, len: usize, bits: u32) -> Fut<'static> {
        let op = step.op(Depth::ZERO);
        now(vector(len, op.depth(), |out: &mut [N]| {
            let words: &mut [u64] = bytemuck::cast_slice_mut(out);
            op.stream(&self.own, purpose::RANDOM).fill(0, words);
            for element in words.chunks_exact_mut(N::WORDS) {
                for (word, low) in element.iter_mut().zip((0..).step_by(64)) {
                    let here = bits.saturating_sub(low).min(64);
                    *word = if here == 0 { 0 } else { *word & (!0 >> (64 - here)) };
                }
            }
        }))
    }

    /// The sums of what all parties have, at those who learn them.
    async fn summed(
        &self,
        op: &Op<'_>,
        label: Label,
        mine: &[N],
        to: Option<Party>,
    ) -> Result<Option<Vec<N>>> {
        for peer in self.peers().filter(|&peer| to.is_none_or(|to| to == peer)) {
            op.send(peer, label, bytemuck::cast_slice(mine))?;
        }
        if to.is_some_and(|to| to != self.me) {
            return Ok(None);
        }
        let mut sums = mine.to_vec();
        for peer in self.peers() {
            add(&mut sums, of(&received::<N>(op, peer, label, mine.len()).await?));
        }
        Ok(Some(sums))
    }

    /// The elements themselves as `f` sees them, to `to`, or to all.
    pub(crate) async fn open<T: Copy>(
        &self,
        step: &Step,
        a: &Shares,
        to: Option<Party>,
        f: impl Fn(N) -> T,
    ) -> Result<ClearVec<T>> {
        let op = step.op(a.depth);
        let opened = self.summed(&op, OPEN, elements(a), to).await?;
        let depth = op.round();
        Ok(match opened {
            Some(values) => ClearVec::new(values.into_iter().map(f).collect::<Vec<T>>(), depth),
            None => ClearVec::absent(a.len(), depth),
        })
    }

    /// What [`Additive::open`] costs.
    pub(crate) fn open_cost(&self, to: Option<Party>, len: usize) -> Cost {
        opening(self.n, to, 8 * N::WORDS * len)
    }

    /// Transfers of a part of a triple.
    fn triple_transfers(&self, part: &Products) -> Many {
        let len = part.transfers();
        if N::RING && self.n == 2 { Many::random(len) } else { Many::chosen(len) }
    }

    async fn triple(&self, step: &Step, map: Map) -> Result<Triple> {
        let op = step.op(Depth::ZERO);
        let [numbers, others] = map.operands();
        let draw =
            |len, purpose| plane(len, |out| uniform::<N>(&op.stream(&self.own, purpose), out));
        let (mut a, b) = (draw(numbers, purpose::A), draw(others, purpose::B));
        let mut c = plane::<N>(map.results(), |_| ());
        let mut depth = Depth::ZERO;
        for part in parts(map.products::<N>()) {
            let op = step.op(Depth::ZERO);
            self.cross(&op, map, &part, &mut a, of(&b), &mut c).await?;
            depth = depth.max(op.round());
        }
        c.change(|out| map.add(bytemuck::cast_slice_mut(out), of::<N>(&a), of(&b)));
        Ok(Triple { a, b, c, depth })
    }

    /// Adds this party's shares of the products of its `a` with the `b` of others, and of its `b` with the `a` of
    /// others, for a part of the numbers `a`. Between two parties in a ring that part of `a` becomes what
    /// the transfers make it.
    async fn cross(
        &self,
        op: &Op<'_>,
        map: Map,
        (first, products): &(usize, Products),
        a: &mut Plane,
        b: &[N],
        c: &mut Plane,
    ) -> Result<()> {
        let many = self.triple_transfers(products);
        let given = if many.random {
            Zeroizing::new(vec![])
        } else {
            dense::<N>(&of(a)[*first..][..products.numbers])
        };
        let choices = if many.random { Choices::Random } else { Choices::Given(&given) };
        let sum = RefCell::new(c);
        let change = |f: &mut dyn FnMut(&mut [N])| {
            sum.borrow_mut().change(|out| f(bytemuck::cast_slice_mut(out)));
        };
        let received = |_, Received { transfers, choices }: Received| {
            change(&mut |out| prepare(products, *first, &transfers, out));
            choices
        };
        let sent = |peer, sent: Transfers| {
            let factor = |number, _, column| b[map.second(number, column)];
            let (delta, mut message) = (self.ot.delta(peer), vec![]);
            change(&mut |out| message = offer(products, *first, &sent, delta, factor, out));
            message
        };
        let call = Call { send: many, receive: many, choices };
        let with = self.ot.extend_with(op, |_| call, received, sent).await?;
        let with = |peer: Party| with[peer].as_ref().expect("a peer");
        if many.random {
            let (choices, _) = with(1 - self.me);
            a.change(|out| {
                let words = N::WORDS * products.numbers;
                out[N::WORDS * first..][..words].copy_from_slice(&choices[..words]);
            });
        }
        self.peers().try_for_each(|peer| op.send(peer, PRODUCTS, &with(peer).1))?;
        for peer in self.peers() {
            let message = op.recv(peer, PRODUCTS, products.bytes::<N>()).await?;
            let mut good = None;
            let choices = &with(peer).0;
            change(&mut |out| good = accept(products, *first, choices, &message, out));
            good.ok_or_else(|| out_of_range(peer, PRODUCTS))?;
        }
        Ok(())
    }

    /// A bilinear map of two shared vectors, by a triple made ahead. One round.
    pub(crate) async fn multiply(
        &self,
        step: &Step,
        map: Map,
        x: &Shares,
        y: &Shares,
    ) -> Result<Shares> {
        let depth = x.depth.max(y.depth);
        if map.operands().contains(&0) {
            return Ok(vector::<N>(map.results(), depth, |_| ()));
        }
        let make = async |prep: &Step| self.triple(prep, map).await;
        let Triple { a, b, c, depth: made } = prepared(step, make).await?;
        let op = step.op(depth.max(made));
        let mut hidden = [elements::<N>(x), elements::<N>(y)].concat();
        let (d, e) = hidden.split_at_mut(x.len());
        subtract(d, of(&a));
        subtract(e, of(&b));
        let opened = self.summed(&op, OPERANDS, &hidden, None).await?.expect("opened to all");
        let (d, e) = opened.split_at(x.len());
        Ok(vector(map.results(), op.round(), |out| {
            add(out, of(&c));
            map.add(out, d, of(&b));
            map.add(out, of(&a), e);
            if self.me == 0 {
                map.add(out, d, e);
            }
        }))
    }

    /// What [`Additive::multiply`] costs.
    pub(crate) fn multiply_cost(&self, map: Map) -> Cost {
        let (n, [left, right]) = (self.n, map.operands());
        if left * right == 0 {
            return Cost::local(n);
        }
        let each = |bytes: usize| Cost::each(n, 1, n as u64 - 1, (n - 1) * bytes);
        let part = |(_, part): (usize, Products)| {
            let extended = Ot::cost(SHORT, n, |_, _| self.triple_transfers(&part));
            extended.then(&each(part.bytes::<N>()))
        };
        let parts = parts(map.products::<N>()).map(part);
        let triple = parts.fold(Cost::local(n), |all, part| all.beside(&part));
        triple.ahead().beside(&each(8 * N::WORDS * (left + right)))
    }

    /// Bits of which all parties have one each, 64 to a word, as the numbers that their exclusive or is, times
    /// `2^j` for bit j of every `k`.
    pub(crate) async fn converted(
        &self,
        step: &Step,
        bits: &[u64],
        len: usize,
        k: usize,
    ) -> Result<Shares> {
        let mut all = vec![];
        for range in runs(len, k) {
            let mut part = Zeroizing::new(vec![0; range.len().div_ceil(64)]);
            copy_bits(bits, range.start, range.len(), &mut part, 0);
            all.push(self.convert(step, &part, range.len(), k).await?);
        }
        if all.is_empty() {
            all.push(vector::<N>(0, Depth::ZERO, |_| ()));
        }
        Ok(Shares::concat(&all))
    }

    async fn convert(&self, step: &Step, bits: &[u64], len: usize, k: usize) -> Result<Shares> {
        let op = step.op(Depth::ZERO);
        let (me, many, nothing) = (self.me, Many::chosen(len), Many::chosen(0));
        let with = self
            .ot
            .extend(&op, |peer| Call {
                send: if me < peer { many } else { nothing },
                receive: if peer < me { many } else { nothing },
                choices: Choices::Given(bits),
            })
            .await?;
        let products = conversion(len, k);
        let weight = |i: usize| (i % k) as u32;
        // Numbers with their weights; the part of a party in what was added before it is 0.
        let mut share = plane(len, |out: &mut [N]| {
            for (i, o) in out.iter_mut().enumerate() {
                *o = N::from_i128(i128::from(bits[i / 64] >> (i % 64) & 1)).raised(weight(i));
            }
        });
        for chooser in 1..self.n {
            if me < chooser {
                // -2·s·a: the weight of s is in it already.
                let sent = &with[chooser].as_ref().expect("a peer").sent;
                let now: Zeroizing<Vec<u64>> = Zeroizing::new(share.words().to_vec());
                let now: &[N] = bytemuck::cast_slice(&now);
                let mut message = vec![];
                share.change(|out| {
                    let out = bytemuck::cast_slice_mut(out);
                    let factor = |number: usize, bit: usize, _| {
                        N::zero().minus(now[number * k + bit].lowered(bit as u32))
                    };
                    message = offer(&products, 0, sent, self.ot.delta(chooser), factor, out);
                });
                op.send(chooser, CONVERT, &message)?;
            } else if me == chooser {
                for (sender, with) in with[..chooser].iter().enumerate() {
                    let received = &with.as_ref().expect("a peer").received;
                    let message = op.recv(sender, CONVERT, products.bytes::<N>()).await?;
                    let mut good = None;
                    share.change(|out| {
                        let out = bytemuck::cast_slice_mut::<u64, N>(out);
                        prepare(&products, 0, received, out);
                        good = accept(&products, 0, bits, &message, out);
                    });
                    good.ok_or_else(|| out_of_range(sender, CONVERT))?;
                }
            }
            op.round();
        }
        Ok(Shares::new(vec![share], op.depth()))
    }

    /// Uniform bits that nobody knows: everybody draws one of each.
    pub(crate) async fn random_bits(&self, step: &Step, len: usize) -> Result<Shares> {
        let drawn = {
            let op = step.op(Depth::ZERO);
            Zeroizing::new(op.stream(&self.own, purpose::RANDOM).words(len.div_ceil(64)))
        };
        self.converted(step, &drawn, len, 1).await
    }

    /// What [`Additive::converted`] costs.
    pub(crate) fn converted_cost(&self, len: usize, k: usize) -> Cost {
        let parts = runs(len, k).map(|range| self.convert_cost(range.len(), k));
        parts.fold(Cost::local(self.n), |all, part| all.beside(&part))
    }

    fn convert_cost(&self, len: usize, k: usize) -> Cost {
        let n = self.n;
        let many = |sender, receiver| Many::chosen(if sender < receiver { len } else { 0 });
        let mut products = Cost { rounds: n as u32 - 1, ..Cost::local(n) };
        let bytes = conversion(len, k).bytes::<N>() as u64;
        for (sender, sent) in products.sent.iter_mut().enumerate() {
            let messages = (n - 1 - sender) as u64;
            *sent = Sent { messages, payload_bytes: messages * bytes };
        }
        Ot::cost(SHORT, n, many).then(&products)
    }
}

/// Bytes or so of a message that nobody waits for yet. Long vectors go in parts, one after the other: who is ahead
/// of its peers fills their memory with one part of each vector only.
const PART_BYTES: usize = 1 << 20;

/// Parts of products, with the number that each begins at.
fn parts(all: Products) -> impl Iterator<Item = (usize, Products)> {
    // Close to what a number takes in any ring or field: 64 elements or more of 4 bytes or more.
    let each = (all.width * all.bits * all.bits / 8).max(1);
    let most = (PART_BYTES / each).max(1);
    (0..all.numbers)
        .step_by(most)
        .map(move |first| (first, Products { numbers: most.min(all.numbers - first), ..all }))
}

/// Runs of bits, whole numbers of `k` of them each.
fn runs(len: usize, k: usize) -> impl Iterator<Item = Range<usize>> {
    let most = (PART_BYTES / 8 / k).max(1) * k;
    (0..len).step_by(most).map(move |first| first..len.min(first + most))
}

/// A product for every bit, with twice its weight.
fn conversion(len: usize, k: usize) -> Products {
    Products { numbers: len / k, bits: k, first: 1, width: 1, inner: 0 }
}

/// The bits of elements one after the other.
pub(crate) fn dense<N: Number>(x: &[N]) -> Zeroizing<Vec<u64>> {
    let words: &[u64] = bytemuck::cast_slice(x);
    let mut out = Zeroizing::new(vec![0; (x.len() * N::BITS).div_ceil(64)]);
    (0..x.len()).for_each(|i| copy_bits(words, 64 * N::WORDS * i, N::BITS, &mut out, N::BITS * i));
    out
}

#[cfg(test)]
mod tests {
    use mpc_runtime::{Executor, local};

    use super::*;
    use crate::algebra::field::F61;

    #[test]
    fn a_product_takes_the_bytes_of_its_triple() {
        let setup = crate::testing::conformance::setup(2, 64, crate::cost::Truncation::Exact);
        let seeds = crate::testing::session::seeds(0, 0, 2);
        let ot = Rc::new(Ot::new(&seeds, 0, SHORT));
        let numbers = Additive::<u64>::new(&setup, 0, &seeds, ot);
        for len in [1 << 13, 10_000, 1 << 14, 100_000] {
            let cost = numbers.multiply_cost(Map::Dot { inner: 1, len });
            let bytes = cost.preprocessing[0].payload_bytes as f64 / len as f64;
            // 31 bits of choices for each of 64 transfers, and 64·65/2 bits of products.
            assert!((bytes - 508.0).abs() < 1.0, "{bytes} bytes of {len}");
        }
    }

    #[test]
    fn words_that_are_no_elements_are_refused() {
        let label = OPEN;
        let outcomes = local::run(2, |end| {
            let mut executor = Executor::new(Box::new(end));
            let step = executor.step(0, 0, Depth::ZERO);
            executor.spawn(0, 0, async move {
                let op = step.op(Depth::ZERO);
                // The largest element and the prime itself.
                let sent: [u64; 2] = [(1 << 61) - 2, (1 << 61) - 1 - step.me() as u64];
                op.send(1 - step.me(), label, bytemuck::cast_slice(&sent))?;
                received::<F61>(&op, 1 - step.me(), label, 2).await.map(drop)
            });
            executor.finish().map_err(|(_, error)| error)
        });
        let what = Misbehaviour::OutOfRange { label: label.0 };
        assert_eq!(outcomes[0], Ok(()));
        assert_eq!(outcomes[1], Err(Error::Cheating { party: 0, what }));
    }
}
