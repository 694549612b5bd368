//! Oblivious transfer with every peer, in either direction: correlated transfers under a global secret Δ
//! of the sender, and what is made of them.
//!
//! | file | what it holds | source |
//! |---|---|---|
//! | [`base`] | 128 transfers from Diffie-Hellman | Masny, Rindal 2019, eprint 2019/706 |
//! | [`pprf`] | trees of seeds from base transfers | Roy 2022, eprint 2022/192, Figures 13 and 14 |
//! | [`softspoken`] | any number of correlated transfers from trees, with the check against cheaters | Roy 2022, Sections 3 and 4 |
//! | [`silent`] | many of them from few, between parties who follow the protocol | Boyle et al. 2019, eprint 2019/1159; Guo et al. 2022, eprint 2022/1431 |
//! | [`expand`] | the code for that | Raghuraman, Rindal, Tanguy 2023, eprint 2023/882 |
//! | [`products`] | products of two parties' numbers | Gilboa 1999 |
//! | [`one_of_n`] | transfers of one of many messages | Naor, Pinkas 1999 |
//! | [`hash`] | what breaks the correlation | Guo, Katz, Wang, Yu 2019, eprint 2019/074 |
//!
//! How it is used: a party makes an [`Ot`] with its keys; [`Ot::agree`] comes once, in the setup; each call of
//! [`Ot::extend`] then makes any number of correlated transfers with each peer in one round (three against
//! cheaters; two or three if the call is silent). Of transfer j the sender has `q_j`, the receiver its choice `r_j` and `t_j = q_j ⊕ r_j·Δ`. The
//! hashes ([`Transfers::hash`]) of `q_j` and `q_j ⊕ Δ` are two messages of which the receiver knows
//! the one that it chose. Calls of several steps may come in any order: what is random in a call follows
//! from its place in the program.

pub mod base;
mod expand;
pub mod hash;
pub mod one_of_n;
pub mod pprf;
pub mod products;
mod silent;
pub mod softspoken;
#[cfg(test)]
pub(crate) mod tests;

use std::cell::OnceCell;

use mpc_runtime::{Key, Op, Party, Result};
use zeroize::Zeroizing;

use self::base::{Base, Choosing};
use self::expand::NOISE;
pub use self::hash::Block;
use self::pprf::{Expansion, Shape};
use self::silent::{Grove, Making};
use self::softspoken::{Asked, Receiver, Sender, Taken};
pub use self::softspoken::{Choices, Many, Received, Transfers};
use crate::cost::{Cost, Sent};
use crate::prepared::{Keys, foreign, lacking};
use crate::protocol::{Security, Seeds};

/// Transfers that are made together: so many, and less than twice as many. Fewer would take more bytes each, and
/// more would not fit the caches.
pub const TOGETHER: usize = 1 << 19;

/// Length of a part if `len` transfers are cut into parts that are made together.
pub fn together(len: usize) -> usize {
    len.div_ceil((len / TOGETHER).max(1)).max(1)
}

/// What the transfers of a session are like. Equal at all parties.
#[derive(Clone, Copy)]
pub struct Form {
    /// Bits of Δ that a tree stands for: 1, 2, 4 or 8. More of them take fewer bytes and more time.
    pub k: usize,
    /// Against whom.
    pub security: Security,
    /// Whether the lowest bit of every Δ is 1, as labels of garbled circuits want it.
    pub odd: bool,
    /// Places of noise by which long calls are made silently, at least so many; 0 if none are. They want Δ odd.
    pub noise: usize,
}

impl Form {
    /// Between parties who follow the protocol.
    pub const fn semi_honest(k: usize) -> Form {
        Form { k, security: Security::SemiHonest, odd: false, noise: 0 }
    }

    /// Between parties who follow the protocol; long calls are silent.
    pub const fn silent(k: usize) -> Form {
        Form { odd: true, noise: NOISE, ..Form::semi_honest(k) }
    }

    /// Between parties who do as they like.
    pub const fn malicious(k: usize) -> Form {
        Form { k, security: Security::Malicious, odd: false, noise: 0 }
    }

    fn shape(self) -> Shape {
        assert!(matches!(self.k, 1 | 2 | 4 | 8), "trees of 1, 2, 4 or 8 bits");
        let silent = self.security == Security::SemiHonest && self.odd;
        assert!(self.noise == 0 || silent, "silent calls are for those who follow the protocol");
        Shape { k: self.k, checked: self.security == Security::Malicious }
    }
}

/// Base transfers of one party with all peers, from which several [`Ot`] may grow.
pub struct Bases {
    session: [u8; 32],
    me: Party,
    own: Key,
    choosing: Choosing,
    agreed: OnceCell<Vec<Option<Base>>>,
}

impl Bases {
    /// Of party `me`. If `odd`, the lowest bit of every Δ is 1.
    pub fn new(seeds: &Seeds, me: Party, odd: bool) -> Bases {
        let own = Key::new(&seeds.own, "ot base");
        let choosing = Choosing { zero: Block::from(odd), common: false };
        Bases { session: seeds.session, me, own, choosing, agreed: OnceCell::new() }
    }

    /// The same, but Δ is one for all peers.
    #[must_use]
    pub fn of_one_secret(mut self) -> Bases {
        self.choosing.common = true;
        self
    }

    /// Makes base transfers with every peer. One round.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub async fn agree(&self, op: &Op<'_>) -> Result<()> {
        // Choices are the inverse of Δ.
        let made = base::agree(op, &self.session, &self.own, self.choosing).await?;
        assert!(self.agreed.set(made).is_ok(), "set up once");
        Ok(())
    }

    /// What [`Bases::agree`] costs.
    pub fn cost(parties: usize) -> Cost {
        base::cost(parties)
    }
}

/// What one party has for transfers with one peer.
struct Pair {
    sender: Sender,
    receiver: Receiver,
}

/// What a call asks of one peer.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Transfers in which this party is the sender.
    pub send: Many,
    /// Transfers in which this party is the receiver.
    pub receive: Many,
    /// What it chooses in them.
    pub choices: Choices<'a>,
}

impl Call<'_> {
    /// Nothing.
    pub const NOTHING: Call<'static> = Call {
        send: Many { len: 0, random: true },
        receive: Many { len: 0, random: true },
        choices: Choices::Random,
    };
}

/// Transfers with one peer.
pub struct Extended {
    /// Those in which this party is the sender: `q_j`.
    pub sent: Transfers,
    /// Those in which it is the receiver: `t_j`.
    pub received: Transfers,
    /// Its choices in the latter, 64 to a word; bits behind the last are 0.
    pub choices: Zeroizing<Vec<u64>>,
}

/// Transfers of one party with all peers.
pub struct Ot {
    form: Form,
    shape: Shape,
    me: Party,
    session: [u8; 32],
    own: Key,
    /// For each peer, the names of calls in which this party is the sender, and those in which it is the
    /// receiver.
    names: std::cell::RefCell<Vec<Option<[Key; 2]>>>,
    pairs: OnceCell<Vec<Option<Pair>>>,
    /// Secrets Δ of another run.
    restored: OnceCell<Zeroizing<Vec<Block>>>,
}

impl Ot {
    /// Of party `me`.
    pub fn new(seeds: &Seeds, me: Party, form: Form) -> Ot {
        let shape = form.shape();
        let context =
            |sender: Party| format!("ot from {sender}, k = {}, {}", form.k, form.security);
        let names = |(peer, seed)| {
            let key = |sender| Key::new(seed, &context(sender));
            (peer != me).then(|| [key(me), key(peer)])
        };
        Ot {
            form,
            shape,
            me,
            session: seeds.session,
            own: Key::new(&seeds.own, &context(me)),
            names: std::cell::RefCell::new(seeds.pair.iter().enumerate().map(names).collect()),
            pairs: OnceCell::new(),
            restored: OnceCell::new(),
        }
    }

    /// Grows trees from base transfers. One round; none if `k` is 1 and parties follow the protocol.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub async fn grow(&self, op: &Op<'_>, bases: &Bases) -> Result<()> {
        assert_eq!(self.me, bases.me, "base transfers of this party");
        assert!(!self.form.odd || bases.choosing.zero & 1 == 1, "base transfers of odd secrets");
        let bases = bases.agreed.get().expect("base transfers come first");
        let (me, shape) = (self.me, self.shape);
        let mut names = self.names.take();
        let mut planted = vec![];
        for (peer, base) in bases.iter().enumerate() {
            let (Some(base), Some([sending, receiving])) = (base, names[peer].take()) else {
                continue;
            };
            let expansion = Expansion::new(&self.session, me, peer, shape);
            let (receiver, message) = Receiver::new(peer, &expansion, shape, base, receiving);
            if shape.bytes() > 0 {
                op.send(peer, Shape::LABEL, &message)?;
            }
            planted.push((peer, base, sending, receiver));
        }
        let mut pairs: Vec<Option<Pair>> = bases.iter().map(|_| None).collect();
        for (peer, base, sending, receiver) in planted {
            let expansion = Expansion::new(&self.session, peer, me, shape);
            let message = match shape.bytes() {
                0 => vec![],
                bytes => op.recv(peer, Shape::LABEL, bytes).await?.to_vec(),
            };
            let sender = Sender::new(peer, &expansion, shape, base, sending, &message)?;
            pairs[peer] = Some(Pair { sender, receiver });
        }
        op.round();
        assert!(self.pairs.set(pairs).is_ok(), "set up once");
        Ok(())
    }

    /// What [`Ot::grow`] costs.
    pub fn growing(form: Form, parties: usize) -> Cost {
        match form.shape().bytes() {
            0 => Cost::local(parties),
            bytes => Cost::each(parties, 1, parties as u64 - 1, (parties - 1) * bytes),
        }
    }

    fn pair(&self, peer: Party) -> &Pair {
        let pairs = self.pairs.get().expect("the setup comes before every call");
        pairs[peer].as_ref().expect("no transfers with oneself")
    }

    /// The secret Δ of this party in transfers that it sends to `peer`.
    pub fn delta(&self, peer: Party) -> Block {
        match self.restored.get() {
            Some(deltas) => deltas[peer],
            None => self.pair(peer).sender.delta(),
        }
    }

    /// The secrets Δ, for [`Ot::restore`].
    pub fn keys(&self) -> Keys {
        let pairs = self.pairs.get().expect("the setup comes before every call");
        let delta = |pair: &Option<Pair>| pair.as_ref().map_or(0, |pair| pair.sender.delta());
        let deltas: Zeroizing<Vec<Block>> = Zeroizing::new(pairs.iter().map(delta).collect());
        Zeroizing::new(bytemuck::cast_slice(&deltas).to_vec())
    }

    /// The secrets Δ of another run, in which transfers were made; this one makes none.
    ///
    /// # Errors
    /// The bytes are no secrets of that many parties.
    pub fn restore(&self, keys: &[u8]) -> Result<()> {
        let mut deltas = Zeroizing::new(vec![0; self.names.borrow().len()]);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut deltas);
        if bytes.len() != keys.len() {
            return Err(foreign());
        }
        bytes.copy_from_slice(keys);
        assert!(self.restored.set(deltas).is_ok(), "set up once");
        Ok(())
    }

    /// Makes the transfers that `call(peer)` asks for with every peer; the result has nothing at the
    /// place of this party. What a party sends is what the peer receives. One round, three against
    /// cheaters; two if a call is silent, three if it is and choices are given.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub async fn extend<'a>(
        &self,
        op: &Op<'_>,
        call: impl Fn(Party) -> Call<'a>,
    ) -> Result<Vec<Option<Extended>>> {
        let all = self.extend_with(op, call, |_, received| received, |_, sent| sent).await?;
        let extended = |(Received { transfers, choices }, sent)| Extended {
            sent,
            received: transfers,
            choices,
        };
        Ok(all.into_iter().map(|with| with.map(extended)).collect())
    }

    /// As [`Ot::extend`], but gives what `received(peer, transfers)` and `sent(peer, transfers)` make of the
    /// transfers. Between parties who follow the protocol these are called as soon as a party has its
    /// part, so that no more than what they make is kept while others are waited for.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub async fn extend_with<'a, R, S>(
        &self,
        op: &Op<'_>,
        call: impl Fn(Party) -> Call<'a>,
        mut received: impl FnMut(Party, Received) -> R,
        mut sent: impl FnMut(Party, Transfers) -> S,
    ) -> Result<Vec<Option<(R, S)>>> {
        if self.pairs.get().is_none() {
            return Err(lacking());
        }
        let peers: Vec<Party> = (0..op.parties()).filter(|&peer| peer != self.me).collect();
        let mut early: Vec<Option<R>> = (0..op.parties()).map(|_| None).collect();
        let mut late: Vec<Option<S>> = (0..op.parties()).map(|_| None).collect();
        let (mut asked, mut taken) = (vec![], vec![]);
        let (mut picking, mut planting) = (vec![], vec![]);
        for &peer in &peers {
            let (Call { receive, choices, .. }, receiver) = (call(peer), &self.pair(peer).receiver);
            let grove = self.form.grove(receive);
            let (many, chosen) =
                grove.map_or((receive, choices), |grove| (grove.bases(), Choices::Random));
            let one = receiver.ask(op, &self.own, many, chosen)?;
            match grove {
                Some(grove) => picking.push((peer, grove, receiver.received(one))),
                None if self.shape.checked => asked.push(one),
                None => early[peer] = Some(received(peer, receiver.received(one))),
            }
        }
        for &peer in &peers {
            let (send, sender) = (call(peer).send, &self.pair(peer).sender);
            let grove = self.form.grove(send);
            let one = sender.take(op, grove.map_or(send, Grove::bases)).await?;
            match grove {
                Some(grove) => planting.push((peer, grove, sender.sent(one))),
                None if self.shape.checked => taken.push(one),
                None => late[peer] = Some(sent(peer, sender.sent(one))),
            }
        }
        op.round();
        if self.shape.checked {
            self.check(op, &peers, &asked, &taken).await?;
            for ((&peer, asked), taken) in peers.iter().zip(asked).zip(taken) {
                let Pair { sender, receiver } = self.pair(peer);
                early[peer] = Some(received(peer, receiver.received(asked)));
                late[peer] = Some(sent(peer, sender.sent(taken)));
            }
        }
        if !(picking.is_empty() && planting.is_empty()) {
            let received = |peer: Party, all| early[peer] = Some(received(peer, all));
            let sent = |peer: Party, all| late[peer] = Some(sent(peer, all));
            self.extend_silently(op, call, planting, picking, received, sent).await?;
        }
        let all = early.into_iter().zip(late);
        Ok(all.map(|(early, late)| early.zip(late)).collect())
    }

    /// Makes silent calls from the transfers that they take. One round, or two if choices are given.
    async fn extend_silently<'a>(
        &self,
        op: &Op<'_>,
        call: impl Fn(Party) -> Call<'a>,
        planting: Vec<(Party, Grove, Transfers)>,
        picking: Vec<(Party, Grove, Received)>,
        mut received: impl FnMut(Party, Received),
        mut sent: impl FnMut(Party, Transfers),
    ) -> Result<()> {
        let (mut picked, mut planted) = (vec![], vec![]);
        for (peer, grove, base) in planting {
            let Many { len, random } = call(peer).send;
            let making = Making::send(op, peer, self.delta(peer), (grove, len), base)?;
            match random {
                true => sent(peer, making.done()),
                false => planted.push((peer, making)),
            }
        }
        for (peer, grove, base) in picking {
            let Call { receive: Many { len, random }, choices, .. } = call(peer);
            let all = Making::receive(op, peer, (grove, len), base).await?;
            match choices {
                Choices::Random => received(peer, all),
                Choices::Given(given) => picked.push((peer, all, given)),
            }
            assert!(random == matches!(choices, Choices::Random), "choices are given or random");
        }
        op.round();
        if picked.is_empty() && planted.is_empty() {
            return Ok(());
        }
        for (peer, mut all, given) in picked {
            silent::choose(op, peer, &mut all, given)?;
            received(peer, all);
        }
        for (peer, mut making) in planted {
            making.correct(op, peer, self.delta(peer)).await?;
            sent(peer, making.done());
        }
        op.round();
        Ok(())
    }

    /// Finds out receivers who were not consistent. Two rounds.
    async fn check(
        &self,
        op: &Op<'_>,
        peers: &[Party],
        asked: &[Asked],
        taken: &[Taken],
    ) -> Result<()> {
        let mut seeds = vec![];
        for (&peer, taken) in peers.iter().zip(taken) {
            seeds.push(self.pair(peer).sender.challenge(op, &self.own, taken)?);
        }
        op.round();
        for (&peer, asked) in peers.iter().zip(asked) {
            self.pair(peer).receiver.answer(op, asked).await?;
        }
        for ((&peer, taken), seed) in peers.iter().zip(taken).zip(seeds) {
            self.pair(peer).sender.verify(op, seed, taken).await?;
        }
        op.round();
        Ok(())
    }

    /// What [`Ot::extend`] costs if, of the transfers of each pair, those from party `i` to party `j` are
    /// `many(i, j)`.
    pub fn cost(form: Form, parties: usize, many: impl Fn(Party, Party) -> Many) -> Cost {
        let mut cost = Cost::local(parties);
        cost.rounds = 1;
        for sender in 0..parties {
            for receiver in (0..parties).filter(|&receiver| receiver != sender) {
                let many = many(sender, receiver);
                cost.rounds = cost.rounds.max(form.rounds(many));
                for (party, (bytes, messages)) in
                    [receiver, sender].into_iter().zip(form.sent(many))
                {
                    let sent = Sent { messages, payload_bytes: bytes as u64 };
                    cost.sent[party] = cost.sent[party] + sent;
                }
            }
        }
        cost
    }
}
