//! Opening, inputs, outputs and state.

use std::rc::Rc;

use mpc_bytecode::{Id, Run, execute, group};
use mpc_protocols::value::ClearVec;
use mpc_protocols::{Clear, ClearBits, Protocol, Security, Shares};
use mpc_runtime::{Depth, Error, Party, Result, Slot, Step};

use super::clear::{to_clear, to_clear_bits};
use super::secret::{to_s, to_sb};
use super::{Operand, Wanted};
use crate::machine::Machine;
use crate::machine::gate::Gate;

/// Tiles of a vector that is shared in one piece.
const SHARED_TILES: usize = 1 << 6;

fn len(run: Run) -> usize {
    run.len as usize
}

/// The one way out of secrecy: once everything so far is verified, opens to `to`, or to all, and waits
/// until that is verified too.
async fn release(
    p: &dyn Protocol,
    step: &Step,
    gate: Option<&Gate>,
    a: &Shares,
    to: Option<Party>,
    bits: u32,
) -> Result<Clear> {
    let Some(gate) = gate else { return p.open(step, a, to, bits).await };
    let a = a.clone().at_depth(gate.before_opening().await);
    let opened = p.open(step, &a, to, bits).await?;
    Ok(opened.at_depth(gate.after_opening().await))
}

/// As [`release`], for bits.
async fn release_bits(
    p: &dyn Protocol,
    step: &Step,
    gate: Option<&Gate>,
    a: &Shares,
    to: Option<Party>,
) -> Result<ClearBits> {
    let Some(gate) = gate else { return p.open_bits(step, a, to).await };
    let a = a.clone().at_depth(gate.before_opening().await);
    let opened = p.open_bits(step, &a, to).await?;
    Ok(opened.at_depth(gate.after_opening().await))
}

impl Machine {
    fn s(&self, run: Run) -> Result<Vec<Wanted>> {
        Ok(vec![Wanted::Secret(self.read_s(run)?, len(run))])
    }

    fn sb(&self, run: Run) -> Result<Vec<Wanted>> {
        Ok(vec![Wanted::Secret(self.read_sb(run)?, len(run))])
    }

    fn c(&self, run: Run) -> Result<Vec<Wanted>> {
        Ok(vec![Wanted::Clear(self.read_c(run)?, len(run))])
    }

    fn cb(&self, run: Run) -> Result<Vec<Wanted>> {
        Ok(vec![Wanted::ClearBits(self.read_cb(run)?, len(run))])
    }

    /// Roles of all groups as the parties that play them: groups of one class have one player.
    fn roles(&self) -> impl Fn(Id) -> Party + 'static {
        let roles = self.binding.roles.clone();
        move |role| roles[role.0 as usize]
    }
}

impl execute::Opening for Machine {
    fn open(&mut self, groups: &[group::Open]) -> Result<()> {
        let gate = self.gate();
        self.spawn(
            groups,
            |g| g.bits.0,
            |_| 1,
            |m, g| m.s(g.a.0),
            |m, g, _, level| to_clear(m, g.dst.0, level),
            async move |p: &dyn Protocol, step: &Step, o: &[Operand], bits| {
                release(p, step, gate.as_deref(), o[0].secret(), None, bits).await
            },
        )
    }

    fn opensb(&mut self, groups: &[group::OpenBits]) -> Result<()> {
        let gate = self.gate();
        self.spawn(
            groups,
            |_| (),
            |_| 1,
            |m, g| m.sb(g.a.0),
            |m, g, _, level| to_clear_bits(m, g.dst.0, level),
            async move |p: &dyn Protocol, step: &Step, o: &[Operand], ()| {
                release_bits(p, step, gate.as_deref(), o[0].secret(), None).await
            },
        )
    }

    fn opento(&mut self, groups: &[group::OpenTo]) -> Result<()> {
        let gate = self.gate();
        let player = self.roles();
        self.spawn(
            groups,
            move |g| (player(g.role), g.bits.0),
            |_| 1,
            |m, g| m.s(g.a.0),
            |m, g, _, level| to_clear(m, g.dst.0, level),
            async move |p: &dyn Protocol, step: &Step, o: &[Operand], (to, bits)| {
                release(p, step, gate.as_deref(), o[0].secret(), Some(to), bits).await
            },
        )
    }

    fn opentosb(&mut self, groups: &[group::OpenBitsTo]) -> Result<()> {
        let gate = self.gate();
        let player = self.roles();
        self.spawn(
            groups,
            move |g| player(g.role),
            |_| 1,
            |m, g| m.sb(g.a.0),
            |m, g, _, level| to_clear_bits(m, g.dst.0, level),
            async move |p: &dyn Protocol, step: &Step, o: &[Operand], to| {
                release_bits(p, step, gate.as_deref(), o[0].secret(), Some(to)).await
            },
        )
    }
}

/// Numbers told to all by one party: as they are if parties follow the protocol, otherwise shared and then
/// opened, so that all are told the same.
async fn publish(
    p: &dyn Protocol,
    step: &Step,
    gate: Option<&Gate>,
    owner: Party,
    x: &Clear,
    bits: u32,
) -> Result<Clear> {
    if p.security() != Security::Malicious {
        return p.publish(step, owner, x, bits).await;
    }
    let shared = p.share(step, owner, x, bits).await?;
    release(p, step, gate, &shared, None, bits).await
}

async fn publish_bits(
    p: &dyn Protocol,
    step: &Step,
    gate: Option<&Gate>,
    owner: Party,
    x: &ClearBits,
) -> Result<ClearBits> {
    if p.security() != Security::Malicious {
        return p.publish_bits(step, owner, x).await;
    }
    let shared = p.share_bits(step, owner, x).await?;
    release_bits(p, step, gate, &shared, None).await
}

impl execute::Io for Machine {
    fn input(&mut self, groups: &[group::Input]) -> Result<()> {
        for g in groups {
            let value = match self.inputs.get(g.id.0 as usize) {
                Some(Some(values)) => values.clone(),
                _ => Clear::absent(len(g.dst.0), Depth::ZERO),
            };
            self.write_c(g.dst.0, 0)?.fill(value);
        }
        Ok(())
    }

    fn inputcb(&mut self, groups: &[group::InputBits]) -> Result<()> {
        for g in groups {
            let value = match self.inputs.get(g.id.0 as usize) {
                Some(Some(values)) => {
                    values.map(values.len(), |x| x.iter().map(|&x| x == 1).collect())
                }
                _ => ClearBits::absent(len(g.dst.0), Depth::ZERO),
            };
            self.write_cb(g.dst.0, 0)?.fill(value);
        }
        Ok(())
    }

    fn share(&mut self, groups: &[group::Share]) -> Result<()> {
        let player = self.roles();
        // One message each, that is computed in passing: in pieces of what reads them rather than of caches.
        self.spawn_in(
            self.tile_bits.saturating_mul(SHARED_TILES),
            groups,
            move |g| (player(g.role), g.bits.0),
            |g| len(g.dst.0),
            |m, g| m.c(g.a.0),
            |m, g, tile, level| to_s(m, tile.of(g.dst.0), level),
            async |p: &dyn Protocol, step: &Step, o: &[Operand], (owner, bits)| {
                p.share(step, owner, o[0].clear(), bits).await
            },
        )
    }

    fn sharesb(&mut self, groups: &[group::ShareBits]) -> Result<()> {
        let player = self.roles();
        self.spawn(
            groups,
            move |g| player(g.role),
            |g| len(g.dst.0),
            |m, g| m.cb(g.a.0),
            |m, g, tile, level| to_sb(m, tile.of(g.dst.0), level),
            async |p: &dyn Protocol, step: &Step, o: &[Operand], owner| {
                p.share_bits(step, owner, o[0].clear_bits()).await
            },
        )
    }

    fn publish(&mut self, groups: &[group::Publish]) -> Result<()> {
        let gate = self.gate();
        let player = self.roles();
        // In pieces as those of `share`, unless it is opened.
        let whole = self.protocol.security() == Security::Malicious;
        self.spawn_in(
            self.tile_bits.saturating_mul(SHARED_TILES),
            groups,
            move |g| (player(g.role), g.bits.0),
            move |g| if whole { 1 } else { len(g.dst.0) },
            |m, g| m.c(g.a.0),
            |m, g, tile, level| to_clear(m, tile.of(g.dst.0), level),
            async move |p: &dyn Protocol, step: &Step, o: &[Operand], (owner, bits)| {
                publish(p, step, gate.as_deref(), owner, o[0].clear(), bits).await
            },
        )
    }

    fn publishcb(&mut self, groups: &[group::PublishBits]) -> Result<()> {
        let gate = self.gate();
        let player = self.roles();
        self.spawn(
            groups,
            move |g| player(g.role),
            |_| 1,
            |m, g| m.cb(g.a.0),
            |m, g, _, level| to_clear_bits(m, g.dst.0, level),
            async move |p: &dyn Protocol, step: &Step, o: &[Operand], owner| {
                publish_bits(p, step, gate.as_deref(), owner, o[0].clear_bits()).await
            },
        )
    }

    fn output(&mut self, groups: &[group::Output]) -> Result<()> {
        for g in groups {
            let wanted = self.c(g.a.0)?;
            self.hand_out(g.id, wanted, |o| o.clear().values().map(<[i128]>::to_vec));
        }
        Ok(())
    }

    fn outputcb(&mut self, groups: &[group::OutputBits]) -> Result<()> {
        for g in groups {
            let wanted = self.cb(g.a.0)?;
            self.hand_out(g.id, wanted, |o| numbers(o.clear_bits()));
        }
        Ok(())
    }

    fn ldstate(&mut self, groups: &[group::LoadState]) -> Result<()> {
        for g in groups {
            let state = self.state(g.id)?;
            let slot = self.write_s(g.dst.0, 0)?;
            self.forward(state, slot);
        }
        Ok(())
    }

    fn ststate(&mut self, groups: &[group::StoreState]) -> Result<()> {
        for g in groups {
            let wanted = self.s(g.a.0)?;
            self.keep(g.id, wanted);
        }
        Ok(())
    }

    fn ldstatesb(&mut self, groups: &[group::LoadStateBits]) -> Result<()> {
        for g in groups {
            let state = self.state(g.id)?;
            let slot = self.write_sb(g.dst.0, 0)?;
            self.forward(state, slot);
        }
        Ok(())
    }

    fn ststatesb(&mut self, groups: &[group::StoreStateBits]) -> Result<()> {
        for g in groups {
            let wanted = self.sb(g.a.0)?;
            self.keep(g.id, wanted);
        }
        Ok(())
    }
}

fn numbers(bits: &ClearVec<bool>) -> Option<Vec<i128>> {
    bits.values().map(|v| v.iter().map(|&b| i128::from(b)).collect())
}

impl Machine {
    /// Hands an output to this party if it is for it. Others may know it too, if it is public.
    fn hand_out(&mut self, id: Id, wanted: Vec<Wanted>, values: fn(&Operand) -> Option<Vec<i128>>) {
        let receivers = &self.program.outputs[id.0 as usize].receivers;
        let mine = receivers.include(self.executor.me(), &self.binding.roles);
        let slot = Rc::new(self.executor.slot());
        self.outputs.push((id.0, slot.clone()));
        let (task, place, _) = self.task();
        self.executor.spawn(task, place, async move {
            for operand in wanted {
                let operand = operand.wait(false).await;
                slot.fill(if mine { values(&operand) } else { None });
            }
            Ok(())
        });
    }

    fn state(&self, id: Id) -> Result<Rc<Slot<Shares>>> {
        let name = || self.program.states[id.0 as usize].name.clone();
        let unset =
            || Error::Program(format!("state {} is read before an entry has set it", name()));
        self.states.get(&id.0).cloned().ok_or_else(unset)
    }

    fn forward(&mut self, state: Rc<Slot<Shares>>, slot: Rc<Slot<Shares>>) {
        let (task, place, _) = self.task();
        self.executor.spawn(task, place, async move {
            slot.fill(state.wait().await.clone());
            Ok(())
        });
    }

    fn keep(&mut self, id: Id, wanted: Vec<Wanted>) {
        let slot = Rc::new(self.executor.slot());
        self.states.insert(id.0, slot.clone());
        let (task, place, _) = self.task();
        self.executor.spawn(task, place, async move {
            for operand in wanted {
                slot.fill(operand.wait(false).await.secret().clone());
            }
            Ok(())
        });
    }
}
