//! Opening, inputs, outputs and state.

use mpc_bytecode::{execute, group};

use super::formulas::*;
use super::{Emulator, Rule};

impl execute::Opening for Emulator<'_> {
    emulated! {
        open(Open) = |e, g| e.bounded(&g.a, g.bits)?.to_vec();
        opensb(OpenBits) = |e, g| e.get(&g.a)?.to_vec();
        opento(OpenTo) = |e, g| e.bounded(&g.a, g.bits)?.to_vec();
        opentosb(OpenBitsTo) = |e, g| e.get(&g.a)?.to_vec();
    }
}

impl execute::Io for Emulator<'_> {
    emulated! {
        input(Input) = |e, g| e.read_input(g.id, g.dst.0.len)?.to_vec();
        inputcb(InputBits) = |e, g| as_bits(e.read_input(g.id, g.dst.0.len)?);
        share(Share) = |e, g| e.bounded(&g.a, g.bits)?.to_vec();
        sharesb(ShareBits) = |e, g| e.get(&g.a)?.to_vec();
        publish(Publish) = |e, g| e.bounded(&g.a, g.bits)?.to_vec();
        publishcb(PublishBits) = |e, g| e.get(&g.a)?.to_vec();
        ldstate(LoadState) = |e, g| e.state(g.id, g.dst.0.len);
        ldstatesb(LoadStateBits) = |e, g| as_bits(&e.state(g.id, g.dst.0.len));
    }

    fn output(&mut self, groups: &[group::Output]) -> Rule {
        for g in groups {
            let values = self.get(&g.a)?.to_vec();
            self.put_output(g.id, values);
        }
        Ok(())
    }

    fn outputcb(&mut self, groups: &[group::OutputBits]) -> Rule {
        for g in groups {
            let values = as_numbers(self.get(&g.a)?);
            self.put_output(g.id, values);
        }
        Ok(())
    }

    fn ststate(&mut self, groups: &[group::StoreState]) -> Rule {
        for g in groups {
            let values = self.get(&g.a)?.to_vec();
            self.states.insert(g.id.0, values);
        }
        Ok(())
    }

    fn ststatesb(&mut self, groups: &[group::StoreStateBits]) -> Rule {
        for g in groups {
            let values = as_numbers(self.get(&g.a)?);
            self.states.insert(g.id.0, values);
        }
        Ok(())
    }
}
